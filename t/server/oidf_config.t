# SPDX-License-Identifier: Apache-2.0
# The OpenID Foundation's relying party tests: config profile. Documents that lack something are at an httpd
# of this test's own, because what fetches them ahead writes of it into the log.
use strict;
use warnings;
use EdxSSO::Browser;
use EdxSSO::Httpd;
use EdxSSO::OIDF;
use EdxSSO::SignIn;
use EdxSSO::Test;

my $DOCUMENT = '/.well-known/openid-configuration';
home(vhost('oidf'), qw(basic rotate native nameless));

# ---- from the issuer to its documents
passes('oidcc-client-test-discovery-openid-config', at => 'basic', after => sub {
    my $call = last_call('authorize');
    is("$ENV{OIDC_ROOT}$call->{endpoint}", oidc('state')->{paths}{authorize}, 'the endpoint of the metadata was gone to');
});
passes('oidcc-client-test-discovery-jwks-uri-keys', at => 'basic');
refuses('oidcc-client-test-idtoken-sig-none', at => 'basic', before => sub { oidc(fault => { name => 'alg-none' }) },
    status => 400, log => 'SSO0151');

# ---- a new key, the old one gone
for my $case (
    ['signing-key-rotation', 'rotate', {}], ['signing-key-rotation-just-before-signing', 'native', {}],
    ['signing-key-rotation: neither tokens nor keys have a kid', 'nameless', { sign_kid => \0 }],
) {
    my ($module, $at, $settings) = @$case;
    passes("oidcc-client-test-$module: before", at => $at, before => sub { oidc(config => $settings) });
    passes("oidcc-client-test-$module", at => $at, before => sub {
        oidc(config => $settings);
        oidc(rotate => {});
    }, after => sub { is((grep { /$at/ } queries_of('jwks')), 1, 'one fetch of the keys') });
}

# ---- metadata that cannot be used
my %sections = (
    m_issuer => '_set.issuer=https://evil.test', m_slash => "_set.issuer=$ENV{OIDC_ROOT}/", m_noissuer => '_omit=issuer',
    m_number => '_set.issuer=number', m_noauthorize => '_omit=authorization_endpoint', m_notoken => '_omit=token_endpoint',
    m_nojwks => '_omit=jwks_uri', m_nouserinfo => '_set.userinfo_endpoint=null', m_empty => '_set.userinfo_endpoint=empty',
    m_plain => '_set.token_endpoint=http://evil.test/token', m_relative => '_set.authorization_endpoint=/authorize',
    m_script => '_set.authorization_endpoint=javascript:alert(1)', m_nokeys => '_set.jwks_uri=' . "$ENV{OIDC_ROOT}/jwks?_only=none",
    m_html => "_set.jwks_uri=$ENV{OIDC_ROOT}/nothing", m_extra => '_set.unheard_of=null',
);
my $text = join '', "EdxSSOIssuer $ENV{OIDC_ROOT}\nEdxSSOClientID rp\nEdxSSOClientSecret rp-secret-of-at-least-thirty-two-bytes\nEdxSSOPAR off\n",
    (map { "<EdxSSOProvider $_ oidc>\nEdxSSODiscovery $ENV{OIDC_ROOT}$DOCUMENT?$sections{$_}\n</EdxSSOProvider>\n" } sort keys %sections),
    "<EdxSSOProvider m_nothing oidc>\nEdxSSODiscovery $ENV{OIDC_ROOT}/nothing\n</EdxSSOProvider>\n",
    "<EdxSSOProvider m_down oidc>\nEdxSSODiscovery http://127.0.0.1:9/\n</EdxSSOProvider>\n",
    "<Location /app>\nAuthType edxsso\nRequire valid-user\n</Location>\n<Location /issuer>\nAuthType edxsso\n",
    "EdxSSOUse m_issuer\nRequire valid-user\n</Location>\n";
my $httpd = EdxSSO::Httpd->new(config => $text);
$httpd->start;
home($httpd->url, keys %sections, 'm_nothing', 'm_down');
oidc(user => { default => 'jane' });

# The line of its log with the error id of a page.
sub line_of {
    my ($answer) = @_;
    my ($id) = page_id($answer) // return '';
    $httpd->wait_until(sub { $httpd->log_text =~ /\Q[error id $id]/ });
    return (grep { /\Q[error id $id]/ } split /\n/, $httpd->log_text)[0] // '';
}

for my $case (
    ['discovery-issuer-mismatch', 'm_issuer', 502, 'SSO0371: login: m_issuer: metadata: '],
    ['discovery-issuer-mismatch: a slash more', 'm_slash', 502, 'SSO0371'], ['no issuer', 'm_noissuer', 502, 'SSO0370'],
    ['an issuer that is a number', 'm_number', 502, 'SSO037[04]'],
    ['no authorization endpoint', 'm_noauthorize', 502, 'SSO0512: login: m_noauthorize: '],
    ['an endpoint by http', 'm_plain', 502, 'SSO0373: login: m_plain: metadata: token endpoint'],
    ['a relative endpoint', 'm_relative', 502, 'SSO0372'], ['an endpoint that is a script', 'm_script', 502, 'SSO0372'],
    ['no document there', 'm_nothing', 502, 'SSO03\d\d: login: m_nothing: '],
    ['nobody there', 'm_down', 503, 'SSO03\d\d: login: m_down: '],
) {
    my ($name, $at, $status, $says) = @$case;
    subtest("oidcc-client-test-$name" => sub {
        oidc(forget => {});
        my $browser = EdxSSO::Browser->new(base => $httpd->url);
        my $answer = $browser->get("/edxsso/login?provider=$at&next=/app");
        is($answer->status, $status, 'status') or diag($answer->body);
        like(line_of($answer), qr/$says/, 'the line names provider, step and cause');
        is($answer->header('Retry-After'), $status == 503 ? 5 : undef, 'Retry-After');
        unlike($answer->body, qr/evil|127\.0\.0\.1/, 'the page does not repeat what was wrong');
        like($answer->body, qr/<h1>.*Try again/s, 'a page with a way on');
        my %seen = %{ oidc('requests')->{counts} };
        ok(!grep({ $_ !~ m{^/(nothing|jwks|\.well-known)} } keys %seen), 'nothing but documents was asked for');
    });
}
{
    my $answer = EdxSSO::Browser->new(base => $httpd->url)->get('/issuer/x');
    like(line_of($answer), qr/SSO0371: login: m_issuer: metadata: /, 'from a protected place the line says as much');
}
for my $case (
    ['no token endpoint', 'm_notoken', 'SSO0876: callback: m_notoken: ', 502], ['no jwks_uri', 'm_nojwks', 'SSO0454', 400],
    ['a key set without a key for us', 'm_nokeys', 'SSO0\d\d\d', 502], ['a key set that is a page', 'm_html', 'SSO0\d\d\d', 502],
) {
    my ($name, $at, $says, $status) = @$case;
    subtest("oidcc-client-test-$name" => sub {
        oidc(forget => {});
        my $browser = EdxSSO::Browser->new(base => $httpd->url);
        my $answer = come_back($browser, "/edxsso/login?provider=$at&next=/app");
        is($answer->status, $status, 'status') or diag($answer->body, $httpd->log_text);
        like(line_of($answer), qr/$says/, 'the line says so');
        is(calls_of('userinfo'), 0, 'userinfo is not asked');
        is($browser->get('/edxsso/session', as => 'fetch')->status, 401, 'no session');
    });
}
for my $at (qw(m_nouserinfo m_empty m_extra)) {
    my $browser = EdxSSO::Browser->new(base => $httpd->url);
    come_back($browser, "/edxsso/login?provider=$at&next=/app");
    is($browser->get('/edxsso/session', as => 'fetch')->status, 200, "$sections{$at}: signed in") or diag($httpd->log_text);
}
unlike($httpd->log_text, qr/exit signal|rp-secret/, 'no crash, no secret');
$httpd->stop;
done_testing();
