# SPDX-License-Identifier: Apache-2.0
# Require lines in httpd: with sessions and tokens, negated, in containers, merged; what is refused how; what
# httpd -t says of mistakes. Each kind of line on its own is in t/unit/require.c.
use strict;
use warnings;
use EdxSSO::Httpd;
use EdxSSO::Test;
use EdxSSO::Token;
use EdxSSO::Visitor ();

lms_reset();
allow_log(qw(SSO0564 SSO0680 SSO0689 SSO1131 SSO1135 SSO1138 SSO1251 SSO0353 SSO0354));
my $script = '/req';

# ---- a matrix: path, who it lets in
my %TOKEN = (
    jsmith => lms_token(fault => { claims => { groups => [qw(staff editors)], address => { country => 'DE' }, level => 7 } }),
    zoe => lms_token(user => 'zoe', fault => { claims => { groups => ['students'], 'https://x.test/role' => 'r' } }),
    admin => lms_token(user => 'admin', scopes => [qw(user_id email grades:read)], fault => { claims => { roles => ['staff'], administrator => JSON::PP::true() } }),
    text => lms_token(fault => { claims => { administrator => 'true', email => "evil\@example.com\nx\@example.org" } }),
);
my @ALL = sort keys %TOKEN;
my @MATRIX = (
    [claim => qw(jsmith)], ['claim/any' => qw(admin jsmith)], ['claim/regex' => qw(admin jsmith zoe)], ['claim/true' => qw(admin)],
    ['claim/path' => qw(jsmith)], ['claim/url' => qw(zoe)], ['claim/spaces' => qw(zoe)], ['claim/number' => qw(jsmith)],
    [scope => qw(admin)], [group => qw(jsmith zoe)], [role => qw(admin)], [tenant => ()], [provider => @ALL], ['provider/other' => ()],
    [not => qw(admin text zoe)], [any => qw(admin jsmith)], [all => qw(jsmith)], [none => qw(admin text)],
    [expr => qw(admin)], ['merge/and' => qw(jsmith)], ['merge/off' => qw(zoe)], [user => qw(zoe)],
    [alias => qw(jsmith)],
);
for my $row (@MATRIX) {
    my ($path, @in) = @$row;
    my @let = grep { program('require', "$script/$path", token => $TOKEN{$_})->status == 200 } @ALL;
    is("@let", join(' ', sort @in), "$path lets in who it is meant to");
    is(program('require', "$script/$path")->status, 401, "$path: nobody is not let in");
}

# ---- refusals
my $answer = program('require', "$script/claim", token => $TOKEN{zoe});
is($answer->status, 403, 'a token of somebody who may not: 403');
is($answer->json->{error}, 'access_denied', 'as JSON');
is($answer->header('WWW-Authenticate'), undef, 'a better token would not help');
is_refused(program('require', "$script/scope", token => $TOKEN{zoe}), 403, 'insufficient_scope', 'a scope is missing', scope => 'grades:read');
is_refused(program('require', "$script/scopes", token => $TOKEN{zoe}), 403, 'insufficient_scope', 'in a container', scope => 'grades:read certificates:read');
{
    my $browser = EdxSSO::Visitor::visitor('require', "$script/provider");
    $answer = $browser->get("$script/role");
    is($answer->status, 403, 'a browser: 403');
    like($answer->header('Content-Type'), qr{^text/html}, 'a page');
    like($answer->body, qr/jsmith/, 'says who is signed in');
    like($answer->body, qr{/edxsso/logout\?next=}, 'and offers another account');
    $answer = $browser->get("$script/scope", as => 'fetch');
    is($answer->status . $answer->json->{error}, '403access_denied', 'a script of it: 403 as JSON, no word of scopes');
    $answer = $browser->get("$script/forbid");
    is($answer->status, 403, 'AuthzSendForbiddenOnFailure: 403');
    is($browser->get("$script/denied")->status, 403, 'Require all denied: 403');
}

# ---- places that let nobody through, up to where somebody is needed
for my $path ("$script/pass/user", "$script/pass/claim") {
    $answer = browser('require')->get($path);
    is($answer->status, 302, "$path: a page is sent to sign in");
    like($answer->location, qr{/oauth2/authorize}, 'at the LMS');
    $answer = program('require', $path);
    is($answer->status . $answer->json->{error}, '401login_required', "$path: a program gets 401 as JSON");
    like($answer->header('WWW-Authenticate'), qr/^Bearer realm="[^"]+"$/, 'with a challenge');
    is(scalar(() = $answer->all('Set-Cookie')), 0, 'no cookie');
    is(program('require', $path, token => $TOKEN{zoe})->status, 200, "$path: who may gets in");
    is(program('require', $path, token => $TOKEN{jsmith})->status, 403, "$path: who may not gets 403");
}
is(program('require', "$script/pass/open")->status, 200, 'what needs nobody is open');
is(seen(program('require', "$script/pass/open", token => $TOKEN{zoe}))->{REMOTE_USER}, 'zoe', '... and knows who is there');

# ---- mistakes
my $section = "<EdxSSOProvider lms edx>\nEdxSSOURLRoot http://127.0.0.1:1\nEdxSSOClientID x\nEdxSSOClientSecret x\n"
    . "EdxSSOJWSHMACKey " . 'k' x 64 . "\nEdxSSOAudience x\n</EdxSSOProvider>\n";
for my $case (
    ['Require edxsso-claim name', 'edxsso-claim', 'name:value'], ['Require edxsso-claim', 'nothing follows'],
    ['Require edxsso-claim "name~("', 'no regular expression'], ['Require not edxsso-claim :x', 'name:value'],
    ["<RequireAny>\nRequire edxsso-scope a\"b\n</RequireAny>", 'scope'],
    ['Require edxsso-provider lsm', 'SSO0051', 'edxsso-provider', 'lsm', "which has: lms (did you mean 'lms'?)"],
    ['Require edxsso-cliam a:b', 'SSO1412', 'line ', "no 'edxsso-cliam'", 'edxsso-scope', "did you mean 'edxsso-claim'"],
    ["<RequireAll>\nRequire valid-user\nRequire not edxsso-rloe x\n</RequireAll>", "did you mean 'edxsso-role'"], ['Require edxsso x', "no 'edxsso'"], ["EdxSSOCredentials sesion", "'sesion' is not session, bearer or jwt-cookie", "did you mean 'session'"],
    ['EdxSSOPreflight maybe', 'refuse or pass'], ['EdxSSOProtectedResource maybe', 'off or on'],
) {
    my ($line, @says) = @$case;
    my ($exit, $output) = EdxSSO::Httpd->config_test("$section<Location /x>\nAuthType edxsso\n$line\n</Location>\n");
    isnt($exit, 0, "$line: a mistake");
    like($output, qr/\Q$_\E/, "... it says: $_") for @says;
}
for my $case (
    ["<LocationMatch /x>\nEdxSSOProtectedResource on\n</LocationMatch>", 'belongs into a <Location>'],
    ["<Location ~ /x>\nEdxSSOProtectedResource on\n</Location>", 'belongs into a <Location>'],
    ["<Location /x*>\nEdxSSOProtectedResource on\n</Location>", 'belongs into a <Location>'],
    ["<Directory /x>\nEdxSSOProtectedResource on\n</Directory>", 'belongs into a <Location>'],
    ["<EdxSSOProvider b edx>\nEdxSSOURLRoot http://127.0.0.1:1\nEdxSSOClientID x\nEdxSSOClientSecret x\nEdxSSOJWKS '{}'\nEdxSSOJWTCookies one\n</EdxSSOProvider>", 'EdxSSOJWTCookies'],
) {
    my ($lines, @says) = @$case;
    my ($exit, $output) = EdxSSO::Httpd->config_test("$section$lines\n");
    isnt($exit, 0, $lines =~ s/\n/; /gr . ': a mistake');
    like($output, qr/\Q$_\E/, "... it says: $_") for $lines =~ /'\{\}'/ ? () : @says;
}
my ($exit, $output) = EdxSSO::Httpd->config_test($section =~ s/EdxSSOAudience x\n//r . "<Location /x>\nEdxSSOCredentials bearer\n</Location>\n");
is($exit, 0, 'no audience: a warning');
like($output, qr/SSO1120.*EdxSSOAudience/, 'that says what is to be done');
($exit, $output) = EdxSSO::Httpd->config_test($section =~ s/EdxSSOAudience x\n//r . "EdxSSOProtectedResource on\n");
unlike($output, qr/SSO1120/, 'and none where no tokens are taken');

done_testing();
