# SPDX-License-Identifier: Apache-2.0
# The OpenID Foundation's relying party test of third-party initiated login (OpenID Connect Core 4).
use strict;
use warnings;
use EdxSSO::Browser;
use EdxSSO::OIDF;
use EdxSSO::SignIn;
use EdxSSO::Test;

home(vhost('oidf_init'), 'init');
my $issuer = EdxSSO::Browser::escape($ENV{OIDC_ROOT});
my $own = vhost('oidf_init');

passes('oidcc-client-test-3rd-party-init-login', start => "/edxsso/login?iss=$issuer&target_link_uri=/app",
    seen => { EDXSSO_PROVIDER => 'init' });
passes('oidcc-client-test-3rd-party-init-login: login_hint, and where to go', after => sub {
    is(last_call('authorize')->{query}{login_hint}[0], 'jane', 'passed on') }, seen => { QUERY_STRING => 'a=b' },
    start => "/edxsso/login?iss=$issuer&login_hint=jane&target_link_uri=" . EdxSSO::Browser::escape("$own/app?a=b"));

sub starts {
    my ($why, $answer) = @_;
    is($answer->status, $answer->{method} eq 'POST' ? 303 : 302, $why) or diag($answer->body);
    return like($answer->location // '', qr/^\Q$ENV{OIDC_ROOT}\E\/authorize\?.*client_id=rp/, '... at the provider');
}
my $FORM = { iss => $ENV{OIDC_ROOT}, login_hint => 'jane', target_link_uri => '/app' };
starts('by POST', browser('oidf_init')->post('/edxsso/login', $FORM, cross_site => 1));
starts('a link on another site', browser('oidf_init')->get("/edxsso/login?iss=$issuer", cross_site => 1));
starts('parameters that are not known are passed over', browser('oidf_init')->get("/edxsso/login?iss=$issuer&lti_message_hint=x"));
{
    my $browser = browser('oidf_init');
    my $answer = come_back($browser, $browser->post('/edxsso/login', $FORM)->location);
    is($answer->status, 200, 'and a sign-in that was begun by POST ends well') or diag($answer->body);
    allow_log('SSO0564');
}

oidc(forget => {});
for my $case (
    ['an unknown issuer', "iss=https://evil.test", 'SSO0502'], ['an empty issuer', 'iss=', 'SSO0502'],
    ['a slash more', "iss=$issuer%2F", 'SSO0502'], ['another case', 'iss=' . uc($issuer), 'SSO0502'],
    ['an issuer that is a script', "iss=javascript:alert(1)", 'SSO0502'],
    ['two issuers', "iss=$issuer&iss=https://evil.test", 'SSO0501'],
    ['two targets', "iss=$issuer&target_link_uri=/app&target_link_uri=//evil.test", 'SSO0501'],
    ['a target elsewhere', "iss=$issuer&target_link_uri=https://evil.test/", 'SSO01\d\d'],
    ['a target that is a script', "iss=$issuer&target_link_uri=javascript:alert(1)", 'SSO01\d\d'],
    ['a target of two slashes', "iss=$issuer&target_link_uri=//evil.test/", 'SSO01\d\d'],
    ['an issuer over the limit', 'iss=https://evil.test/' . 'x' x 4000, 'SSO0502'],
) {
    my ($name, $query, $number) = @$case;
    subtest("oidcc-client-test-3rd-party-init-login: $name" => sub {
        my $browser = browser('oidf_init');
        my $answer = $browser->get("/edxsso/login?$query", cross_site => 1);
        refusal($answer, status => 400, log => $number, not => [qr/evil|script:/]);
        ok(!defined $answer->location, 'no way off');
    });
}
my $TYPE = ['Content-Type', 'application/x-www-form-urlencoded'];
for my $case (
    ['no form', 405, 'SSO0875', [['Content-Type', 'application/json']], "iss=$issuer"],
    ['of no type', 405, 'SSO0875', [], "iss=$issuer"], ['in parts', 405, 'SSO0875', [['Content-Type', 'multipart/form-data']], ''],
    ['a form without iss', 405, 'SSO0875', [$TYPE], 'provider=init'], ['an empty form', 405, 'SSO0875', [$TYPE], ''],
    ['with a foreign issuer', 400, 'SSO0502', [$TYPE], 'iss=https://evil.test'],
    ['one that is too long', 400, 'SSO0\d\d\d', [$TYPE], "iss=$issuer&x=" . 'x' x 65536],
) {
    my ($name, $status, $number, $headers, $body) = @$case;
    subtest("a POST, $name" => sub {
        my $answer = browser('oidf_init')->request(POST => '/edxsso/login', headers => $headers, body => $body, cross_site => 1);
        refusal($answer, status => $status, log => $number, method => 'POST');
    });
}
is_deeply(asked_for(), {}, 'nothing was asked of the provider');
my $long = "iss=$issuer&x=";
is(browser('oidf_init')->request(POST => '/edxsso/login', headers => [$TYPE], body => $long . 'x' x (65536 - length $long), cross_site => 1)->status,
    303, 'a POST of 64 KiB is none that is too long');

# ---- several providers of one issuer: the one that is named too
for my $name (qw(basic post)) {
    my $location = browser('oidf')->get("/edxsso/login?iss=$issuer&provider=$name")->location // '';
    like($location, qr/callback%2F$name&/, "iss and provider: $name");
}
refusal(browser('oidf')->get("/edxsso/login?iss=https://evil.test&provider=basic"), status => 400, log => 'SSO0502');

# ---- Entra's issuers are in its metadata, and one for each tenant
{
    my $entra = browser('entra');
    my $tenant = entra('apps')->[0]{tid};
    my $answer = $entra->get('/edxsso/login?iss=' . EdxSSO::Browser::escape("$ENV{ENTRA_ROOT}/$tenant/v2.0"));
    is($answer->status, 302, "the issuer of Entra's tenant");
    like($answer->location // '', qr/^\Q$ENV{ENTRA_ROOT}\E\//, '... starts there');
    is($entra->get("/edxsso/login?iss=https://sts.windows.net/$tenant/")->status, 302, 'and its v1 twin');
}
done_testing();
