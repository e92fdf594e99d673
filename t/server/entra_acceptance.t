# SPDX-License-Identifier: Apache-2.0
# What a sign-in by Entra has to get right, line by line, and where that is tested:
#
#   GUID, domain, organizations with a list, common with personal accounts    entra.t
#   foreign tenant, template in iss, tid missing or odd                        entra.t
#   key of personal accounts for a work token, iss and tid apart               here
#   v1 and v2 tokens, by v1 and by v2 metadata, the same rules                 here
#   guests by idp                                                              entra.t
#   guests by acct alone, and by acct as text                                  here
#   groups 0, 199, 200, 201, 1500; pages (three, with an empty one between),
#   nulls, 403, 429, foreign nextLink                                          graph.t
#   roles                                                                      here
#   photo 200, 404                                                             graph.t
#   secret in body and header, certificate, federated file                     client_auth.t
#   a token renewed once for all, invalid_grant, 503                           refresh.t, refresh_entra.t
#   a claims challenge passed on once                                          entra.t
#   a new key: one fetch; a flood of unknown ones: one fetch                   here
#   metadata that cannot be had, with a copy                                   documents.t
#   front-channel sign-out by sid alone                                        here
#   answers by form_post, codes of 8 KiB                                       here
#   errors with line ends in their description                                 here
#   expires_in as text                                                         here (v1)
#   no token and no secret in the log                                          here
use strict;
use warnings;
use EdxSSO::OIDF ();
use EdxSSO::SignIn;
use EdxSSO::Test;

my $CONTOSO = '634aea33-7309-5fb7-9392-e7e153923083';
my @PROVIDERS = qw(v1 v1many v2 v2many named numbered flood);
allow_log('SSO0564');
sub reset_all {
    entra_reset([qw(single groups multi all)], @PROVIDERS);
    entra(apps => { name => 'groups', redirect_uris => [map { ("http://localhost/edxsso/callback/$_",
        "https://localhost/edxsso/callback/$_") } @PROVIDERS, 'posted'] });
    return;
}

sub come_back {
    my ($provider, $user) = @_;
    my $browser = browser('entra_more');
    entra(user => { default => $user });
    return ($browser, $browser->follow($browser->get("/edxsso/login?provider=$provider&next=/app")));
}

sub signs_in {
    my ($provider, $user, $why) = @_;
    my ($browser, $answer) = come_back($provider, $user);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($answer->status, 200, $why // "$user signs in by $provider") or diag($answer->body);
    my %seen = $answer->body =~ /^(\w+)=(.*)$/mg;
    return wantarray ? (\%seen, $browser) : \%seen;
}

# A sign-in that must not be one; the fault is for its id_token.
sub refuses {
    my ($why, $provider, $fault, $status, $number, $user) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return subtest("$provider: $why" => sub {
        reset_all();
        entra(fault => { for => 'id', count => 1, ref $fault ? %$fault : (name => $fault) }) if $fault;
        my ($browser, $answer) = come_back($provider, $user // 'adele');
        refusal($answer, status => $status, log => $number);
        is($browser->get('/app')->status, 302, 'not signed in');
    });
}

reset_all();

# ---- v1 and v2
my $who;
{
    my $v2 = signs_in(v2 => 'adele');
    $who = $v2->{REMOTE_USER};
    is($v2->{EDXSSO_CLAIM_ver}, '2.0', 'a token of version 2');
    like($v2->{EDXSSO_CLAIM_iss}, qr{^\Q$ENV{ENTRA_ROOT}\E/$CONTOSO/v2\.0$}, 'its issuer');
    my $v1 = signs_in(v1 => 'adele');
    is($v1->{EDXSSO_CLAIM_ver}, '1.0', 'by v1 metadata a token of version 1');
    is($v1->{EDXSSO_CLAIM_iss}, "https://sts.windows.net/$CONTOSO/", 'its issuer');
    is($v1->{REMOTE_USER}, $who, 'and the same user');
    is(entra('requests?endpoint=/*/oauth2/token&last=1')->{count}, 1, 'at the v1 endpoint, which says expires_in as text');
    is(signs_in(v1many => 'adele')->{REMOTE_USER}, $who, 'by v1 metadata of several tenants');
    entra(fault => { name => 'v1-token', for => 'id', count => 1 });
    my $twin = signs_in(v2 => 'adele', 'a v1 token under v2 metadata');
    is($twin->{EDXSSO_CLAIM_ver} . ' ' . $twin->{REMOTE_USER}, "1.0 $who", '... and it is the same user');
    entra(fault => { name => 'v1-token', for => 'id', count => 1 });
    is(signs_in(v2many => 'adele')->{REMOTE_USER}, $who, 'a v1 token under v2 metadata of several tenants');
    for my $at (qw(v1 v1many)) {
        entra(fault => { name => 'v2-token', for => 'id', count => 1 });
        is(signs_in($at => 'adele')->{REMOTE_USER}, $who, 'a v2 token under v1 metadata');
    }
}
refuses('a foreign tenant', 'v1many', undef, 403, 'SSO0488', 'eve');
refuses('a guest', 'v1', undef, 403, 'SSO0489', 'bob');
for my $at (qw(v1 v1many v2 v2many)) {
    my $v1 = $at =~ /v1/;
    refuses('the issuer of another tenant', $at, 'iss-other-tenant', 400, 'SSO0486');
    refuses('the tid of another tenant', $at, 'tid-other-tenant', 400, 'SSO0486');
    refuses('both of another tenant', $at, 'iss-and-tid-other-tenant', $at =~ /many/ ? 403 : 400, 'SSO048[68]')
        unless $v1; # the word is the v2 issuer
    refuses('no tid', $at, 'tid-missing', 400, 'SSO0484');
    refuses('a tid in another spelling beside it', $at, 'tid-duplicate', 400, 'SSO0483');
    refuses('the template as issuer', $at, 'iss-template', 400, 'SSO0486');
    refuses('the template as issuer and tid', $at, 'iss-and-tid-template', 400, 'SSO048[46]');
    refuses('the v1 issuer with version 2', $at, { claims => { iss => "https://sts.windows.net/$CONTOSO/", ver => '2.0' } },
        400, 'SSO0486') unless $v1;
    refuses('the v1 issuer of another tenant', $at, { claims => { ver => '1.0',
        iss => 'https://sts.windows.net/11111111-2222-3333-4444-555555555555/' } }, 400, 'SSO0486');
    refuses('the v1 issuer without its slash', $at, { claims => { iss => "https://sts.windows.net/$CONTOSO", ver => '1.0' } },
        400, 'SSO0486');
    refuses('an issuer at another host', $at, { claims => { iss => "https://login.evil.test/$CONTOSO/v2.0" } }, 400, 'SSO0486');
    refuses('no version with the issuer of the other one', $at, { claims => { iss => $v1 ? "$ENV{ENTRA_ROOT}/$CONTOSO/v2.0"
        : "https://sts.windows.net/$CONTOSO/" }, remove => ['ver'] }, 400, 'SSO0486');
}
refuses('a key of another tenant', $_, 'key-other-tenant', 400, 'SSO0487') for qw(v2 v2many);
refuses("personal accounts' key for a work token", 'v2many', 'key-msa', 400, 'SSO0487');
refuses("personal accounts' key for a work token", 'v2', 'key-msa', 400, 'SSO0160'); # not in a tenant's own set
refuses('a key that is not published', 'v2', 'key-unpublished', 400, 'SSO0160');

# ---- one tenant by metadata of all: the section still admits one
refuses('by name, with the metadata of everybody', 'named', undef, 403, 'SSO0488', $_) for qw(eve pam adele);
is(signs_in(numbered => 'adele')->{REMOTE_USER}, $who, 'by GUID, with the metadata of everybody: that tenant');
refuses('by GUID, with the metadata of everybody: not another one', 'numbered', undef, 403, 'SSO0488', $_) for qw(eve pam);

# ---- Azure AD B2C: its tokens have a policy (tfp) and no tid; the issuer is one tenant's
reset_all();
entra(fault => { for => 'id', count => 1, remove => ['tid'], claims => { tfp => 'B2C_1_signin' } });
{
    my $seen = signs_in(v2 => 'adele', 'a token of B2C');
    is("$seen->{EDXSSO_TENANT} $seen->{REMOTE_USER}", "$CONTOSO $who", 'its tenant is that of the issuer');
}
refuses('a token of B2C where there are many tenants', 'v2many', { remove => ['tid'], claims => { tfp => 'B2C_1_signin' } }, 400, 'SSO0484');

# ---- guests without idp
refuses('a guest by acct', 'v1', 'guest-by-acct', 403, 'SSO0489');
refuses('a guest by acct as text', 'v1', 'guest-acct-string', 403, 'SSO0489');

# ---- roles
reset_all();
{
    my ($seen, $browser) = signs_in(v2 => 'adele');
    is($seen->{EDXSSO_CLAIM_roles}, 'Staff', 'app roles');
    is($browser->get('/approle')->status, 404, 'Require edxsso-role lets Staff in');
    my (undef, $other) = signs_in(v2 => 'zoe');
    is($other->get('/approle')->status, 403, 'and nobody else');
    allow_log('SSO0689');
}

# ---- keys
{
    my $KEYS = "/$CONTOSO/discovery/v2.0/keys";
    my $fetched = sub { scalar grep { $_->{raw_query} eq 'flood' } @{ entra("requests?endpoint=$KEYS")->{requests} } };
    reset_all();
    signs_in(flood => 'adele');
    entra(forget => {});
    entra(rotate => { keep => 5 });
    is(signs_in(flood => 'adele')->{REMOTE_USER}, $who, 'a key that came since');
    is($fetched->(), 1, 'takes one fetch');
    for (1 .. 10) {
        entra(fault => { for => 'id', count => 1, kid => 'wrong', key => 'foreign' });
        my ($browser, $answer) = come_back(flood => 'adele');
        is($answer->status, 400, 'an unknown key');
    }
    allow_log('SSO0160');
    is($fetched->(), 1, 'ten unknown ones take none within EdxSSOJWKSMinRefresh');
}

# ---- signed out by Entra: by sid alone
reset_all();
{
    my ($seen, $browser) = signs_in(v2 => 'adele');
    my ($answer) = grep { $_->url =~ /session_state=/ } @{ $browser->{trail} };
    my ($state) = $answer ? $answer->url =~ /session_state=([0-9a-f-]+)/ : ();
    ok($state, 'the answer had a session_state') or diag(map { $_->url . "\n" } @{ $browser->{trail} });
    my $out = browser('entra_more')->get("/edxsso/frontchannel-logout/v2?sid=$state", as => 'frame', cross_site => 1);
    is($out->status, 200, 'a frame without cookies');
    is($browser->get('/app')->status, 302, 'and the session is over');
    expect_log('SSO1077');
}

# ---- errors with line ends in them
reset_all();
entra(refuse => { code => 65001, at => 'authorize', error => 'consent_required', count => 1, text => "AADSTS65001: canary\r\nSSO0564: forged" });
{
    my ($browser, $answer) = come_back(v2 => 'adele');
    refusal($answer, status => 403, log => 'SSO0560', says => qr/AADSTS65001: canary\\+x0d\\+x0aSSO0564: forged/, not => [qr/canary|AADSTS/]);
}

# ---- posted answers, long codes
my @HTTPS = (['X-Forwarded-Proto', 'https']);
for my $length (900, 8192, 30000) {
    reset_all();
    entra(user => { default => 'adele' });
    entra(config => { code_length => $length });
    EdxSSO::OIDF::home(vhost('entra_form'));
    my $browser = browser('entra_form', own_headers => \@HTTPS);
    my $answer = EdxSSO::OIDF::come_back($browser, '/edxsso/login?next=/app&provider=posted');
    is($answer->status, 200, "a posted code of $length bytes") or diag($answer->body);
    like($answer->body, qr/^REMOTE_USER=\Q$who\E$/m, 'signs in');
}
reset_all();
entra(config => { code_length => 6000 });
is(signs_in(v2 => 'adele')->{REMOTE_USER}, $who, 'a code of 6000 bytes in the query');

reset_all();
{
    my $log = join '', log_lines();
    my @found = $log =~ /(eyJ[\w-]{20,}|s3cr~et|code=\S{100})/g;
    is("@found", '', 'no token, code or secret in the log');
}
done_testing();
