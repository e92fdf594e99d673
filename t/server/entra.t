# SPDX-License-Identifier: Apache-2.0
# Microsoft Entra ID: tenants by name, GUID and list; who the issuer may be; what is not believed.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Browser;
use EdxSSO::SignIn;

my @PROVIDERS = qw(one guid off members orgs common any consumers);
my $TENANT = '9188040d-6c67-4c5b-b112-36a304b66dad'; # personal accounts
allow_log('SSO0564', 'SSO0680');

sub reset_all { return entra_reset([qw(single groups multi all personal)], @PROVIDERS) }

sub come_back {
    my ($provider, $user) = @_;
    my $browser = browser('entra');
    entra(user => { default => $user });
    return ($browser, $browser->follow($browser->get("/edxsso/login?provider=$provider&next=/app")));
}

sub signs_in {
    my ($provider, $user) = @_;
    my ($browser, $answer) = come_back($provider, $user);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($answer->status, 200, "$user signs in by $provider") or diag($answer->body);
    my %seen = $answer->body =~ /^(\w+)=(.*)$/mg;
    return \%seen;
}

sub is_refused {
    my ($provider, $user, $status, $number, $why) = @_;
    my ($browser, $answer) = come_back($provider, $user);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($answer->status, $status, $why) or diag($answer->body);
    unlike(without_id($answer), qr/REMOTE_USER|eyJ/, "$why: nothing of the app, no token in the page");
    expect_log($number, $why);
    is($browser->get('/app')->status, 302, "$why: not signed in");
    return $answer;
}

reset_all();

# ---- who gets in, and who they are
{
    my $seen = signs_in(one => 'adele');
    like($seen->{REMOTE_USER}, qr/^[0-9a-f-]{36}\@[0-9a-f-]{36}$/, 'oid@tid');
    is($seen->{REMOTE_USER}, "$seen->{EDXSSO_USER_ID}\@$seen->{EDXSSO_TENANT}", 'the same in parts');
    is($seen->{EDXSSO_PROVIDER}, 'one', 'by that provider');
    is($seen->{EDXSSO_USERNAME}, 'adele@contoso.com', 'preferred_username');
    my $again = signs_in(guid => 'adele');
    is($again->{REMOTE_USER}, $seen->{REMOTE_USER}, 'the same user by domain and by GUID');
    is(signs_in(orgs => 'adele')->{REMOTE_USER}, $seen->{REMOTE_USER}, 'and through organizations');
    is(signs_in(common => 'pam')->{EDXSSO_TENANT}, $TENANT, 'consumers is in the list of common');
    is(signs_in(consumers => 'pam')->{EDXSSO_TENANT}, $TENANT, 'a personal account');
    isnt(signs_in(any => 'eve')->{REMOTE_USER}, $seen->{REMOTE_USER}, "another tenant's user with the same mail");
    is(signs_in(guid => 'zoe')->{EDXSSO_NAME}, "Zo\xc3\xab M\xc3\xbcller-\xc5\x9eahin \xe6\x9d\x8e", 'UTF-8');
}

# ---- what is asked for
{
    my %asked = EdxSSO::Browser::query(browser('entra')->get('/edxsso/login?provider=guid&login_hint=zoe')->header('Location'));
    is($asked{scope}, 'openid profile email offline_access', 'scope');
    is($asked{code_challenge_method}, 'S256', 'PKCE, although the metadata does not mention it');
    ok(length $asked{nonce} > 20, 'nonce');
    is($asked{domain_hint}, 'contoso.com', 'EdxSSOAuthParam');
    is($asked{login_hint}, 'zoe', 'login_hint');
    signs_in(guid => 'adele');
    my $last = entra('requests?endpoint=/*/oauth2/v2.0/token&last=1')->{requests}[-1];
    ok($last->{form}{x_who}[0], 'EdxSSOTokenParam, an expression');
    ok($last->{form}{client_secret}[0] && !$last->{raw_query}, 'the secret is in the body, not in the URL');
}

# ---- what the login URL says counts, and else EdxSSOAuthParam; no parameter comes twice, or empty
for my $case (['login_hint=zoe%40b.c&prompt=login', 'zoe@b.c', 'login'], ['login_hint=&prompt=&tpa_hint=', 'ann@b.c', 'select_account'],
    ['target_link_uri=&provider=off', 'ann@b.c', 'select_account']) {
    my ($query, $hint, $prompt) = @$case;
    my $there = browser('entra')->get("/edxsso/login?next=/app&$query" . ($query =~ /provider/ ? '' : '&provider=off'),
        headers => [['X-Hint', 'ann@b.c']])->location // '';
    for (['login_hint', $hint], ['prompt', $prompt]) {
        my ($name, $value) = @$_;
        my @all = map { EdxSSO::Browser::unescape($_) } $there =~ /[?&]$name=([^&]*)/g;
        is_deeply(\@all, [$value], "$name for $query");
    }
}

# ---- without discovery: the preset's rules stay
signs_in(off => 'adele');
is_refused(off => 'eve', 403, 'SSO0488', "another tenant's user");

# ---- tenants
is_refused(orgs => 'eve', 403, 'SSO0488', 'a tenant that is not in EdxSSOTenantAllow');
is_refused(common => 'eve', 403, 'SSO0488', 'nor for common');

# ---- guests
is(signs_in(one => 'bob')->{EDXSSO_TENANT}, signs_in(one => 'adele')->{EDXSSO_TENANT}, "a guest's tenant is the host's");
is_refused(members => 'bob', 403, 'SSO0489', 'a guest from another tenant');
is_refused(members => 'pete', 403, 'SSO0489', 'a guest with a personal account');
signs_in(members => 'adele');

# ---- tokens that are not what they should be: each is refused, and a right one right after is not
for my $case (
    ['iss-other-tenant', 400, 'SSO0486'], ['iss-template', 400, 'SSO0486'], ['iss-upper', 400, 'SSO0486'],
    ['iss-msa', 403, 'SSO0488'], ['tid-other-tenant', 400, 'SSO0486'], ['tid-missing', 400, 'SSO0484'],
    ['tid-not-guid', 400, 'SSO0484'], ['tid-path', 400, 'SSO0484'], ['tid-number', 400, 'SSO0484'],
    ['tid-duplicate', 400, 'SSO0483'], ['key-other-tenant', 400, 'SSO0487'], ['alg-none', 400, 'SSO0151|SSO0156'],
    ['foreign-key', 400, 'SSO0161'], ['nonce-missing', 400, 'SSO0475'], ['aud-missing', 400, 'SSO0472'],
    ['iss-missing', 400, 'SSO0466'], ['no-id-token', 502, 'SSO0405'], ['oid-missing', 403, 'SSO0602'],
) {
    my ($fault, $status, $numbers) = @$case;
    reset_all();
    entra(fault => { name => $fault, for => $fault eq 'no-id-token' ? 'any' : 'id', count => 1 });
    my ($browser, $answer) = come_back(orgs => 'adele');
    is($answer->status, $status, "$fault: status") or diag($answer->body);
    unlike(without_id($answer), qr/REMOTE_USER|eyJ/, "$fault: nothing leaks");
    allow_log(split /\|/, $numbers);
    my ($id) = $answer->body =~ m{Error id: <code>([\w-]+)</code>};
    like(join('', log_lines(qr/error id \Q$id\E\]/)), qr/$numbers/, "$fault: its number") if ok($id, "$fault: an error id");
    is($browser->get('/app')->status, 302, "$fault: not signed in");
    signs_in(orgs => 'adele');
}

# ---- what Entra answers at the callback
reset_all();
for my $case ([50058, 'login_required', 403, 'SSO0560'], [65001, 'consent_required', 403, 'SSO0560'],
    [65004, 'access_denied', 403, 'SSO0560'], [70011, 'invalid_scope', 502, 'SSO0561']) {
    my ($code, $error, $status, $number) = @$case;
    entra(refuse => { code => $code, at => 'authorize', error => $error, count => 1 });
    my $answer = is_refused(one => 'adele', $status, $number, "AADSTS$code");
    unlike($answer->body, qr/AADSTS/, 'no internals on the page');
    ok((grep { /AADSTS$code/ } log_lines(qr/$number/)), 'the log has the code');
}
entra(refuse => { code => 7000215, at => 'code', error => 'invalid_client', status => 401, count => 1 });
is_refused(one => 'adele', 502, 'SSO0401', 'a wrong client secret');

# ---- a claims challenge is passed on once
reset_all();
entra(refuse => { code => 50079, at => 'code', error => 'interaction_required', count => 1,
    claims => '{"access_token":{"capolids":{"essential":true,"values":["c1"]}}}' });
{
    my $browser = browser('entra');
    entra(user => { default => 'adele' });
    entra(forget => {});
    my $answer = $browser->follow($browser->get('/edxsso/login?provider=one&next=/app'));
    is($answer->status, 200, 'signed in after the challenge') or diag($answer->body);
    my @asked = @{ entra('requests?endpoint=/*/oauth2/v2.0/authorize&last=5')->{requests} };
    is(scalar @asked, 2, 'asked twice');
    like($asked[-1]{query}{claims}[0] // '', qr/capolids/, 'the second time with the claims');
}
entra(refuse => { code => 50079, at => 'code', error => 'interaction_required', count => 5, claims => '{"a":1}' });
is_refused(one => 'adele', 403, 'SSO0882', 'a challenge after a challenge');

# ---- key rotation; logout
reset_all();
signs_in(one => 'adele');
select undef, undef, undef, 1.2; # past EdxSSOJWKSMinRefresh, which another test's unknown keys may have begun
entra(rotate => { keep => 5 }); # the old ones stay published: tests after this one get them back
signs_in(one => 'adele');
{
    my ($browser) = come_back(one => 'adele');
    my $out = $browser->get('/edxsso/logout');
    is($out->status, 302, 'signed out');
    like($out->header('Location'), qr{/oauth2/v2\.0/logout\?.*post_logout_redirect_uri=http}, 'and on to Entra');
    is($browser->get('/app')->status, 302, 'the session is over');
}
done_testing();
