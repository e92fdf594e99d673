# SPDX-License-Identifier: Apache-2.0
# What signing out does to what is kept: sessions in cookies are ended at all hosts, too, tokens are revoked, and a
# refresh that is under way brings nothing back.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Pair;
use EdxSSO::SignIn;
use EdxSSO::Site;
alone();

own_lms();
lms_reset();
my $SCOPE = "EdxSSOScope openid profile email offline_access\n";
my $pair = EdxSSO::Pair->start(server => "EdxSSOSessions cookie\n", provider => $SCOPE);
my $all = $pair->count;

# All that a thief could copy.
sub copy { my ($browser) = @_; return join '; ', map { "$_->{name}=$_->{value}" } grep { $_->{name} =~ /^edxsso(?!_login|_choice|_last)/ } $browser->cookies }
sub sid_of { my ($browser) = @_; return $browser->get('/edxsso/session', as => 'fetch')->json->{claims}{sid} }
sub last_revoked { return map { $_->{form} } @{ op('requests?endpoint=/revoke&last=2')->{requests} } }
sub backchannel { my (%with) = @_; return op(backchannel => { url => $pair->httpd(-1)->url . '/edxsso/backchannel-logout/op', %with })->{status} }

# ---- sessions in cookies: how they end, at which browser of two
my ($one, $two);
my @ends = (
    ['logout', sub { $one->get('/edxsso/logout') }],
    ['logout by POST', sub { $one->post('/edxsso/logout', '', headers => [['Sec-Fetch-Site', 'same-origin']]) }],
    ['the frame of a logout page', sub { $one->get('/edxsso/logout?no_redirect=1', as => 'frame') }],
    ['front-channel', sub { EdxSSO::Browser->new(base => $pair->httpd(-1)->url)->get('/edxsso/frontchannel-logout/op?sid=' . sid_of($one), as => 'frame', cross_site => 1) }],
    ['back-channel by sid', sub { is(backchannel(sid => sid_of($one), fault => {}), 200, 'taken') }],
    ['back-channel by sub', sub { is(backchannel(sid => sid_of($one), fault => { remove => ['sid'] }), 200, 'taken') }, 'both'],
);
for my $end (@ends) {
    my ($name, $do, $both) = @$end;
    ($one, $two) = map { $pair->enter } 1 .. 2;
    my ($copy, $other) = map { copy($_) } $one, $two;
    cmp_ok(($copy =~ tr/;//) + 0, '>=', 1, "$name: the session is in more than its id") or diag($copy);
    is($pair->alive($copy), $all, "$name: a copy of the cookies is good before");
    $do->();
    is($pair->alive($copy), 0, "$name: and nowhere after");
    is($pair->alive($other), $both ? 0 : $all, $both ? "$name: nor of the other browser" : "$name: the other browser stays signed in");
}
is($pair->alive(copy($pair->enter)), $all, 'one can sign in again');

# ---- tokens
for my $mode ('cookie', 'store') {
    my $site = $mode eq 'cookie' ? $pair : EdxSSO::Pair->start(provider => $SCOPE, without_redis => 1);
    my $browser = $site->enter;
    op(forget => {});
    is($browser->get('/edxsso/logout')->status, 302, "$mode: logout");
    my ($revoked) = last_revoked();
    is($revoked->{token_type_hint}[0], 'refresh_token', "$mode: the refresh token is revoked");
    ok(length($revoked->{token}[0] // '') > 20, "$mode: by its text");
    my ($call) = @{ op('requests?endpoint=/revoke&last=1')->{requests} };
    is($call->{status}, 200, "$mode: as this client");
    unlike($site->httpd->log_text, qr/\Q$revoked->{token}[0]\E/, "$mode: which is in no log");
    for my $trouble ({ status => 503, body => 'x' }, { wire => 'reset' }, { status => 400, json => { error => 'unsupported_token_type' } }) {
        $browser = $site->enter;
        my $copy = copy($browser);
        op(answer => { endpoint => '/revoke', %$trouble });
        is($browser->get('/edxsso/logout')->status, 302, "$mode: logout, whatever becomes of it");
        is($site->alive($copy), 0, "$mode: signed out");
    }
    like($site->httpd->log_text, qr/SSO1072: logout: op: tokens could not be revoked/, "$mode: the log says so");
    # front-channel frames prove nothing: they end the session, and no token
    $browser = $site->enter;
    op(forget => {});
    $browser->get('/edxsso/frontchannel-logout/op?sid=' . sid_of($browser), as => 'frame');
    is(op('requests?endpoint=/revoke')->{count}, 0, "$mode: a frame revokes nothing");

    # ---- a refresh that is under way
    $browser = $site->enter;
    my ($copy, $thief) = (copy($browser), $browser->clone);
    op(forget => {});
    op(answer => { endpoint => '/token', delay => 2, run => JSON::PP::true() });
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        $thief->request(POST => '/edxsso/session?refresh=1', as => 'fetch', headers => [['Sec-Fetch-Site', 'same-origin']]);
        require POSIX;
        POSIX::_exit(0);
    }
    ok($site->httpd->wait_until(sub { op('requests?endpoint=/token')->{count} }), "$mode: a refresh is under way");
    is($browser->get('/edxsso/logout')->status, 302, "$mode: and the user signs out");
    waitpid $pid, 0;
    is($site->alive($copy), 0, "$mode: signed out is signed out");
}
done_testing();
