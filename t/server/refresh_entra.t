# SPDX-License-Identifier: Apache-2.0
# Microsoft Entra ID's tokens renewed: claims and what Graph says follow the directory, what failed at the sign-in is
# tried again, and what Entra says about a refresh token ends the session or does not.
use strict;
use warnings;
use JSON::PP ();
use EdxSSO::Test;
use EdxSSO::SignIn;

my ($PROFILE, $GROUPS) = ('/v1.0/me', '/v1.0/me/transitiveMemberOf/microsoft.graph.group');
my ($SHORT, $LONG) = (3, 3599); # seconds of an access token's life
allow_log(qw(SSO0401 SSO0564 SSO0680 SSO0687 SSO1002 SSO1003));

sub reset_all { return entra_reset([qw(groups)], 'all', 'names') }

sub signed_in_by {
    my ($provider, $user) = @_;
    my $browser = browser('graph');
    entra(user => { default => $user });
    my $answer = $browser->follow($browser->get("/edxsso/login?provider=$provider&next=/app"));
    die "$user cannot sign in: " . $answer->status . ' ' . $answer->body if $answer->status != 200;
    return $browser;
}

sub seen {
    my ($browser) = @_;
    my $answer = $browser->get('/app');
    return $answer->status == 200 ? { $answer->body =~ /^(\w+)=(.*)$/mg } : undef;
}

sub groups_of { return join ',', sort split /,/, $_[0]{EDXSSO_CLAIM_groups} // '' }

sub renew {
    my ($browser) = @_;
    return $browser->request(POST => '/edxsso/session?refresh=1', body => '', headers => [['Sec-Fetch-Site', 'same-origin']])->status;
}

# ---- what has changed in the directory

{
    reset_all();
    my $browser = signed_in_by(names => 'adele');
    my $before = seen($browser);
    is(groups_of($before), 'Course designers,Everyone,Staff', 'groups at the sign-in');
    entra(users => { name => 'adele', groups => ['staff'], displayName => 'Adele Vance-New' });
    is(renew($browser), 200, 'renewed');
    my $after = seen($browser);
    is(groups_of($after), 'Everyone,Staff', 'a group that was left is gone');
    is($after->{REMOTE_USER}, $before->{REMOTE_USER}, 'the user is the same');
    my $last = entra('requests?endpoint=/*/oauth2/v2.0/token&last=1')->{requests}[-1];
    is($last->{form}{grant_type}[0], 'refresh_token', 'by a refresh token');
    ok(!$last->{form}{code}, 'without a code');
}

# ---- Graph failed at the sign-in, or fails now

{
    reset_all();
    entra(graph => { endpoint => $PROFILE, status => 500 });
    my $browser = signed_in_by(all => 'adele');
    ok(!exists seen($browser)->{EDXSSO_CLAIM_jobTitle}, 'Graph fails at the sign-in: signed in, no profile');
    expect_log('SSO0823', 'profile');
    is(renew($browser), 200, 'renewed');
    is(seen($browser)->{EDXSSO_CLAIM_jobTitle}, 'Retail Manager', 'it is tried again then');
    entra(graph => { endpoint => $GROUPS, status => 403, code => 'Authorization_RequestDenied' });
    my $named = signed_in_by(names => 'adele');
    ok(!exists seen($named)->{EDXSSO_CLAIM_groups}, 'no list of groups at the sign-in: none are granted');
    expect_log('SSO0822', 'groups');
    is(renew($named), 200, 'renewed');
    is(groups_of(seen($named)), 'Course designers,Everyone,Staff', 'they are there');
    entra(graph => { endpoint => $GROUPS, status => 403, code => 'Authorization_RequestDenied' });
    is(renew($named), 200, 'a list that cannot be read when tokens are renewed ends no session');
    ok(!exists seen($named)->{EDXSSO_CLAIM_groups}, 'and grants nothing');
    expect_log('SSO0822', 'groups again');
}

# ---- ahead of its time, by an ordinary request

{
    reset_all();
    entra(config => { access_life => $SHORT }); # renewed when a third of it is left
    my $browser = signed_in_by(names => 'adele');
    entra(config => { access_life => $LONG });
    entra(users => { name => 'adele', groups => ['staff'] });
    my ($until, $groups) = (time + 60, '');
    until ($groups eq 'Everyone,Staff' || time > $until) {
        $groups = groups_of(seen($browser));
        select undef, undef, undef, 0.2;
    }
    is($groups, 'Everyone,Staff', 'a token near its end is renewed by an ordinary request, and groups with it');
}

# ---- what Entra says about the refresh token

for my $case (
    ['the password was changed', sub { entra(revoke => { user => 'adele' }) }, 0, 'SSO1002: .*AADSTS'],
    ['conditional access wants more', sub { entra(refuse => { at => 'refresh', code => 50076 }) }, 0, 'SSO1002: .*AADSTS'],
    ['Entra is busy', sub { entra(refuse => { at => 'refresh', code => 90033 }) }, 1, 'SSO(?:0401|1003): .*AADSTS90033'],
) {
    my ($name, $how, $alive, $number) = @$case;
    reset_all();
    my $browser = signed_in_by(names => 'adele');
    $how->();
    my $status = renew($browser);
    $alive ? like($status, qr/^50[23]$/, "$name: told so") : is($status, 401, "$name: nobody is signed in");
    is(defined seen($browser) ? 1 : 0, $alive, "$name: the session " . ($alive ? 'goes on' : 'has ended'));
    ok(log_lines(qr/\b$number/), "$name: the log says so");
    $browser = signed_in_by(names => 'adele');
    is(renew($browser), 200, "$name: another sign-in is another matter");
}

reset_all();
done_testing();
