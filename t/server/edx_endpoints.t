# SPDX-License-Identifier: Apache-2.0
# The LMS's endpoints answering as they should not: errors, HTML, cut off, endless, silent, away; and back
# again.
use strict;
use warnings;
use EdxSSO::Httpd;
use EdxSSO::Servers;
use EdxSSO::Test;
use EdxSSO::SignIn;
use JSON::PP ();

allow_log('SSO0564');
my @MANY = qw(wrongsecret nouserid down inline);
lms_reset(@MANY);
my $TOKEN = '/oauth2/access_token';
my $HTML = { 'Content-Type' => 'text/html' };
my $JSON = { 'Content-Type' => 'application/json' };

sub name_of { return ref $_[0] ? JSON::PP->new->canonical->encode($_[0]) : $_[0] }

# ---- the token endpoint. Fault, status, number, Retry-After
my @answers = (
    (map { ["html-$_", 502, 'SSO0402'] } 200, 400, 403, 404, 500, 502),
    ['html-429', 503, 'SSO0400', 5], ['html-429-retry', 503, 'SSO0400', 17],
    ['html-503', 503, 'SSO0400', 5], ['html-503-retry', 503, 'SSO0400', 23],
    [{ status => 429, headers => { 'Retry-After' => 'Fri, 20 Nov 2026 18:22:59 GMT' }, body => '' }, 503,
        'SSO0400', 'Fri, 20 Nov 2026 18:22:59 GMT'],
    [{ status => 429, headers => { %$JSON, 'Retry-After' => 9 }, json => { error => 'slow_down' } }, 503,
        'SSO0400', 9],
    (map { [$_, 502,
        'SSO0403'] } qw(empty not-json json-null json-array json-string deep-json duplicate-keys bad-utf8 nul-byte)),
    ['json-empty-object', 502, 'SSO0404'],
    (map { [$_, 502, 'SSO0402'] } qw(wrong-type no-type redirect redirect-307)),
    (map { [{ status => 400, headers => $JSON, json => { error => $_ } }, 502,
        'SSO0401'] } qw(invalid_grant invalid_request unauthorized_client
        unsupported_grant_type invalid_scope whatever)),
    [{ status => 401, headers => { %$JSON, 'WWW-Authenticate' => 'Bearer error="invalid_client"' },
        json => { error => 'invalid_client' } }, 502, 'SSO0401'],
    [{ status => 401, headers => $HTML, body => '<script>evil()</script>' }, 502, 'SSO0402'],
    [{ status => 400, headers => $JSON, json => { error => "<script>x\r\nSSO0001: forged",
        error_description => "<b>evil</b>\r\n\0" } }, 502, 'SSO0401|SSO0402'],
    [{ status => 400, headers => $JSON, json => { error => { a => 1 } } }, 502, 'SSO0402'],
    [{ status => 400, headers => $JSON, json => { error => 'e' x 100_000 } }, 502, 'SSO0401'],
    [{ status => 204, body => '' }, 502, 'SSO0402'], [{ status => 201, run => JSON::PP::true }, 502, 'SSO0402'],
    [{ status => 202, headers => $JSON, json => { access_token => 'a.b.c' } }, 502, 'SSO0402'],
    (map { [$_, 503, 'SSO0312|SSO0313|SSO0321', 5] } qw(reset close)), # 321: on a kept connection
    ['garbage', 502, 'SSO0302|SSO0331'], ['truncate', 502, 'SSO0330'], ['bad-chunk', 502, 'SSO0332'],
    ['endless', 502, 'SSO0301'], ['huge', 502, 'SSO0334'], ['2mb', 502, 'SSO0334|SSO0301'],
    ['gzip', 502, 'SSO0336'], ['bomb', 502, 'SSO0336|SSO0301|SSO0334'], ['huge-header', 502, 'SSO0335'],
        ['many-headers', 502, 'SSO0335'],
);
for my $case (@answers) {
    my ($fault, $status, $log, $retry_after) = @$case;
    my $answer;
    in_time(4, 'in time', sub {
        my $browser = browser('main');
        my $callback = to_callback($browser, '/studio/a?b=c')->location;
        lms(answer => { endpoint => $TOKEN, ref $fault ? %$fault : (preset => $fault) });
        $answer = refused($browser, $callback, 'token endpoint: ' . substr(name_of($fault), 0, 90),
            status => $status, log => $log,
            app => '/studio', retry_after => $retry_after, not => [qr/evil/,
                qr/Maintenance|Bad Request|Server Error/, qr/SSO\d/]);
    });
    like($answer->body, qr{href="[^"]*/edxsso/login\?[^"]*next=[^"]*%2Fstudio%2Fa%3Fb%3Dc"},
        'with a link to try again');
}
for my $good ('charset', 'close-after', 'slow') { # as good as any
    lms(answer => { endpoint => $TOKEN, preset => $good });
    signed_in(browser('main'), 'bob', '/studio', "token endpoint: $good");
}

# ---- silence: an answer in time all the same
for my $fault ('hang', 'stall', 'drip', 'slow-30') {
    in_time(4, 'an answer in time', sub {
        my $browser = browser('si_hasty');
        my $callback = to_callback($browser, '/app')->location;
        lms(answer => { endpoint => $TOKEN, preset => $fault });
        refused($browser, $callback, "token endpoint: $fault", status => 503, log => 'SSO0308',
            retry_after => 5, next_user => undef);
    });
    signed_in(browser('si_hasty'), 'alice', '/app', 'the next one is signed in at once');
}

# ---- for scripts: the same as JSON
{
    my $browser = browser('main');
    my $callback = to_callback($browser, '/studio')->location;
    lms(answer => { endpoint => $TOKEN, preset => 'html-500' });
    my $answer = $browser->get($callback, as => 'fetch');
    is($answer->status, 502, 'a script that calls the callback');
    is($answer->header('Content-Type'), 'application/json', 'JSON');
    is_deeply([sort keys %{ $answer->json || {} }], [qw(error error_id message)], 'error, error_id, message');
    like($answer->header('Cache-Control'), qr/no-store/, 'never stored');
    expect_log('SSO0402');
}

# ---- a section that is wrong itself
{
    my $browser = browser('si_many');
    my $callback = to_callback($browser, '/edxsso/login?provider=wrongsecret&next=/app')->location;
    refused($browser, $callback, 'a wrong secret', status => 502, log => 'SSO0401',
        says => qr/wrongsecret.*invalid_client/, next_user => undef);
    $callback = to_callback($browser, '/edxsso/login?provider=down&next=/app')->location;
    refused($browser, $callback, 'no LMS there', status => 503, log => 'SSO0306', calls => 0, retry_after => 5,
        next_user => undef);
    $callback = to_callback($browser, '/edxsso/login?provider=nouserid&next=/app')->location;
    refused($browser, $callback, 'the LMS does not grant the scope', status => 502, log => 'SSO0561',
        says => qr/invalid_scope/, calls => 0, next_user => undef);
    like($browser->follow($browser->get('/edxsso/login?provider=inline&next=/app'))->body,
        qr/^EDXSSO_PROVIDER=inline$/m, 'another section is as good as ever');
}

# ---- the authorization endpoint's errors
my @errors = (
    (map { [$_, 403,
        'SSO0560'] } qw(access_denied login_required interaction_required consent_required account_selection_required)),
    (map { [$_, 502,
        'SSO0561'] } qw(invalid_scope invalid_request unauthorized_client server_error temporarily_unavailable
        unsupported_response_type invalid_client access_denied_not Access_denied)),
    ['<script>evil()</script>', 502, 'SSO0561'], ["x\r\nSet-Cookie: evil=1\r\n\r\n<b>", 502, 'SSO0561'],
        ['x' x 3000, 502, 'SSO0561'], ["\xff\xfe", 400, 'SSO0557'], # no UTF-8
);
my @descriptions = ('', 'evil words', '<script>evil()</script>', "evil\r\nX-Evil: 1\r\n\r\n<img src=x>",
    "evil\nSSO0999: forged", 'evil' x 1000, "evil\x1b[31m", '%s%n%s evil');
for my $case (@errors) {
    my ($error, $status, $log) = @$case;
    my @texts = $error =~ /^(access_denied|invalid_scope)$/ ? @descriptions : $descriptions[2];
    for my $description (@texts) {
        my $browser = browser('main');
        my $state = { EdxSSO::Browser::query($browser->get('/studio')->header('Location')) }->{state};
        my $url = with_query('/edxsso/callback/lms', error => $error, error_description => $description,
            state => $state);
        my $answer = refused($browser, $url, 'authorization endpoint: ' . (substr($error, 0,
            25) =~ s/[^ -~]/?/gr) . ', ' . (substr($description, 0, 20) =~ s/[^ -~]/?/gr),
            status => $status, log => $log, calls => 0, app => '/studio', not => [qr/evil/, qr/<script/,
                qr/<img/], next_user => undef);
        ok(!(grep { lc $_->[0] eq 'x-evil' || $_->[1] =~ /evil/ } $answer->headers), 'no header of its making');
    }
}
is(scalar(grep { !/^\[/ } log_lines()), 0, 'no line of the log was made by what came in');
{   # a user who says no
    my $browser = browser('main');
    my $url = $browser->get('/studio')->header('Location') =~ s/client_id=studio-sso/client_id=consent-app/r;
    my $page = $browser->follow($browser->get($url));
    is($page->status, 200, 'the LMS asks the user');
    my $no = $browser->post($page->url, [cancel => 'Cancel']);
    refused($browser, $no->location, 'the user refuses', status => 403, log => 'SSO0560', calls => 0,
        app => '/studio');
}

# ---- odd codes reach the LMS as they are, and no page
for my $code ('<i>evil()</i>', 'evil&grant_type=password', 'evil' x 1500, "evil\r\nX: y", 'evil+ %41') {
    my $browser = browser('main');
    my $state = { EdxSSO::Browser::query($browser->get('/studio')->header('Location')) }->{state};
    refused($browser, with_query('/edxsso/callback/lms', code => $code, state => $state), 'a code of '
        . (substr($code, 0, 25) =~ s/[^ -~]/?/gr), status => 502, log => 'SSO0401',
        app => '/studio', not => [qr/evil/], next_user => undef);
    is_deeply(lms_last()->{form}{code}, [$code], 'the LMS got it as it was');
}

no_secrets();
log_clean(); # of the shared httpd

# ---- an LMS that goes away and comes back
my $httpd; # until the log has been looked at
{
    my $port = EdxSSO::Httpd::free_port();
    my $servers = EdxSSO::Servers->new(logs => 't/logs');
    my $root = "http://127.0.0.1:$port";
    $httpd = EdxSSO::Httpd->new(config => <<"CONF");
EdxSSOHTTPTimeout 5s 10s
<EdxSSOProvider lms edx>
EdxSSOURLRoot $root
EdxSSOClientID studio-sso
EdxSSOClientSecret studio-secret
EdxSSOTrustTokenEndpoint on
</EdxSSOProvider>
<Location "/">
AuthType edxsso
Require valid-user
</Location>
CONF
    $httpd->start;
    EdxSSO::Log->watch($httpd->error_log);
    allow_log('SSO0564');
    my $browser = EdxSSO::Browser->new(base => $httpd->url);
    is($browser->get('/')->status, 302, 'with its LMS down httpd starts and sends browsers there');
    lms_root($root);
    for my $round (1, 2) {
        $servers->start('/usr/bin/python3', 't/idp/lms.py', '--port', $port);
        lms_reset();
        my $one = EdxSSO::Browser->new(base => $httpd->url);
        is($one->follow($one->get('/none'))->status, 404, "round $round: up again, signed in at once");
        ok($one->cookie('edxsso'), 'with a session');
        my $late = EdxSSO::Browser->new(base => $httpd->url);
        my $callback = to_callback($late, '/none')->location;
        $servers->stop;
        my $answer = $late->get($callback);
        is($answer->status, 503, "round $round: down in the middle of a sign-in");
        is($answer->header('Retry-After'), 5, 'Retry-After');
        allow_log('SSO0306', 'SSO0312', 'SSO0313');
        is($one->get('/none')->status, 404, 'whoever has a session keeps it');
    }
    lms_root($ENV{LMS_ROOT});
}

done_testing();
