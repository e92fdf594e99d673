# SPDX-License-Identifier: Apache-2.0
# The OpenID Foundation's relying party tests: form_post basic profile. The answer comes as a form that the
# browser posts from the provider's site.
use strict;
use warnings;
use EdxSSO::OIDF;
use EdxSSO::SignIn;
use EdxSSO::Test;

my @HTTPS = (at => 'form', headers => [['X-Forwarded-Proto', 'https']]);
home(vhost('oidf_form'), 'form');
sub fault { my @fault = @_; return sub { oidc(fault => {@fault}) } }
sub setting { my @setting = @_; return sub { oidc(config => {@setting}) } }

passes('oidcc-client-test', @HTTPS, after => sub {
    my ($browser) = @_;
    my $query = last_call('authorize')->{query};
    is($query->{response_mode}[0], 'form_post', 'asked for');
    is($query->{response_type}[0], 'code', 'with a code');
    ok((grep { $_->{name} =~ /login/ && $_->{same_site} eq 'none' && $_->{secure} } $browser->cookies),
        'the cookie of the sign-in is one that comes along with the form');
    ok((grep { $_->{name} eq '__Host-edxsso' && $_->{same_site} eq 'lax' } $browser->cookies), "the session's is not");
});
for my $case (
    ['invalid-iss', 'SSO0467', fault(name => 'iss-wrong')], ['missing-sub', 'SSO0477', fault(name => 'sub-missing')],
    ['invalid-aud', 'SSO0472', fault(name => 'aud-wrong')], ['missing-iat', 'SSO0462', fault(name => 'iat-missing')],
    ['idtoken-sig-none', 'SSO0151', fault(name => 'alg-none')], ['invalid-sig-rs256', 'SSO0161', fault(name => 'signature-flipped')],
    ['nonce-invalid', 'SSO0475', fault(name => 'nonce-wrong')],
) {
    my ($module, $number, $before) = @$case;
    refuses("oidcc-client-test-$module", @HTTPS, before => $before, status => 400, log => $number);
}
passes('oidcc-client-test-idtoken-sig-rs256', @HTTPS);
passes('oidcc-client-test-kid-absent-single-jwks', @HTTPS, before => setting(sign_kid => \0));
passes('oidcc-client-test-scope-userinfo-claims', @HTTPS, before => setting(userinfo_add => { zoneinfo => 'Europe/Oslo' }),
    seen => { EDXSSO_CLAIM_zoneinfo => 'Europe/Oslo' });
refuses('oidcc-client-test-userinfo-invalid-sub', @HTTPS, before => setting(userinfo_add => { sub => 'other' }),
    status => 400, log => 'SSO0481', calls => { token => 1, userinfo => 1 });
refuses('oidcc-client-test-form-post-error', @HTTPS, start => '/edxsso/login?provider=form&next=/app&prompt=none', calls => {},
    before => sub { oidc(user => { default => undef }) }, status => 403, log => 'SSO0560', says => qr/error=login_required/,
    after => sub { unlike($_[1]->body, qr/login_required/, 'in words of our own') });

# ---- forms that are not what they should be: nothing is asked of the provider
my $begin = sub {
    oidc_reset('form');
    oidc(user => { default => 'jane' });
    my $browser = browser('oidf_form');
    my $there = $browser->get('/edxsso/login?provider=form&next=/app', headers => $HTTPS[3]);
    my $page = $browser->get($there->location, cross_site => 1);
    oidc(forget => {});
    my %field = $page->body =~ /name="(\w+)" value="([^"]*)"/g;
    return ($browser, %field);
};
my $URL = '/edxsso/callback/form';
my $FORM = ['Content-Type', 'application/x-www-form-urlencoded'];
for my $case (
    ['no content type', 400, 'SSO0565', sub { (headers => [$HTTPS[3][0], ['Content-Type', undef]]) }],
    ['as JSON', 400, 'SSO0565', sub { (headers => [$HTTPS[3][0], ['Content-Type', 'application/json']]) }],
    ['in parts', 400, 'SSO0565', sub { (headers => [$HTTPS[3][0], ['Content-Type', 'multipart/form-data; boundary=x']]) }],
    ['a type that only begins so', 400, 'SSO0565', sub { (headers => [$HTTPS[3][0], ['Content-Type', "$FORM->[1]x"]]) }],
    ['empty', 400, 'SSO0550', sub { (body => '') }],
    ['of 65537 bytes', 400, 'SSO0\d{3}', sub { (body => "$_[0]&x=" . 'x' x (65537 - 3 - length $_[0])) }],
    ['state twice', 400, 'SSO0558', sub { (body => "$_[0]&state=x") }], ['code twice', 400, 'SSO0558', sub { (body => "$_[0]&code=x") }],
    ['without the cookie', 400, 'SSO0554', sub { $_[1]->forget; () }],
    ['no code', 400, 'SSO0563', sub { (body => $_[0] =~ s/code=[^&]*//r) }],
    ['another issuer', 400, 'SSO0562', sub { (body => $_[0] =~ s/iss=[^&]*/iss=https:%2F%2Fevil.test/r) }],
    ['no issuer, although promised', 400, 'SSO0566', sub { (body => $_[0] =~ s/&?iss=[^&]*//r) }],
    ['by PUT', 405, 'SSO0683', sub { () }, 'PUT'], ['by HEAD', 405, 'SSO0683', sub { () }, 'HEAD'],
) {
    my ($name, $status, $number, $change, $method) = @$case;
    subtest("a form $name" => sub {
        my ($browser, %field) = $begin->();
        my $body = join '&', map { "$_=" . EdxSSO::Browser::escape($field{$_}) } sort keys %field;
        my %option = (body => $body, headers => [$HTTPS[3][0], $FORM], $change->($body, $browser));
        my $answer = $browser->request($method // 'POST', $URL, cross_site => 1, %option);
        refusal($answer, status => $status, log => $number, method => $method // 'POST');
        is_deeply(asked_for(), {}, 'nothing was asked of the provider');
        is($browser->get('/app', headers => $HTTPS[3])->status, 302, 'not signed in');
    });
}
{
    my ($browser, %field) = $begin->();
    my $answer = $browser->get(with_query($URL, %field), headers => $HTTPS[3]);
    ok($answer->status == 302 || $answer->status == 400, 'the answer in the query instead: judged by the same rules');
    allow_log('SSO0564');
}
{
    my ($browser, %field) = $begin->();
    my @form = (%field);
    is($browser->post($URL, [@form], cross_site => 1, headers => $HTTPS[3])->status, 303, 'a form is answered by 303');
    refusal($browser->post($URL, [@form], cross_site => 1, headers => $HTTPS[3]), status => 400, log => 'SSO0559');
}
refusal(browser('oidf_form')->get('/edxsso/login?provider=form&next=/app'), status => 500, log => 'SSO0511', says => qr/SSO0511: login: form: /);
done_testing();
