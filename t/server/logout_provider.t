# SPDX-License-Identifier: Apache-2.0
# Signing out at an OpenID provider and by it: RP-initiated, front-channel and back-channel logout. Where Redis is
# there, at two httpds: a copied cookie is refused by both. Names of the OpenID Foundation's test modules
# stand before what corresponds to them.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Pair;
use EdxSSO::SignIn;
use EdxSSO::Site;
alone();

own_lms();
lms_reset();
my $pair = EdxSSO::Pair->start;
my $all = $pair->count;
note("$all httpd(s)");
my $own = EdxSSO::Browser->new(base => $pair->root, as => 'plain');
my ($root, $op) = ($pair->root, $pair->op_root);

sub ended { my ($name, @browsers) = @_; is($pair->alive(cookie_of($_)), 0, "$name: a copied cookie is refused everywhere") for @browsers; return }
sub stays { my ($name, @browsers) = @_; is($pair->alive(cookie_of($_)), $all, "$name: still signed in") for @browsers; return }
sub sid_of { my ($browser) = @_; return $browser->get('/edxsso/session', as => 'fetch')->json->{claims}{sid} }
sub asked { return EdxSSO::Browser::query($_[0]->header('Location') // '') }
sub logged { my ($pattern) = @_; return scalar grep { $_->wait_until(sub { $_->log_text =~ $pattern }) } $pair->httpd }

# ---- oidcc-client-test-rp-init-logout
{
    my $browser = $pair->enter;
    my $thief = $browser->clone;
    my $answer = $browser->get('/edxsso/logout');
    is($answer->status, 302, 'logout: a redirect');
    like($answer->header('Location'), qr{^\Q$op\E/logout\?}, 'to the end_session_endpoint');
    my %asked = asked($answer);
    is($asked{client_id}, 'rp', 'client_id');
    is($asked{post_logout_redirect_uri}, "$root/", 'post_logout_redirect_uri');
    like($asked{id_token_hint}, qr/^eyJ[\w-]+\.[\w-]+\.[\w-]+$/, 'id_token_hint');
    like($asked{state}, qr/^[\w-]{40,}$/, 'state');
    is($asked{logout_hint}, undef, 'no logout_hint without such a claim');
    ended('logout', $thief);
    is($browser->get($answer->header('Location'))->header('Location'), "$root/?state=$asked{state}", 'the provider sends the browser back');

    op(config => { claims_add => { login_hint => "O.Cj\x{e9} &x" } });
    $browser = $pair->enter;
    %asked = asked($browser->get('/edxsso/logout?next=/app/bye'));
    is($asked{post_logout_redirect_uri}, "$root/app/bye", 'an allowed next takes the place');
    is($asked{logout_hint}, "O.Cj\xc3\xa9 &x", 'the claim login_hint goes back as logout_hint');
    op(config => { claims_add => {} });

}

# ---- oidcc-client-test-rp-init-logout-other-state, -no-state: EdxSSOLogoutRedirectURL is our own logout URL
sub landing {
    my $site = EdxSSO::Pair->start(provider => "EdxSSOLogoutRedirectURL /edxsso/logout\n", without_redis => 1);
    my $browser = $site->enter;
    my $there = $browser->get('/edxsso/logout?next=/app/bye%3Fx=1')->header('Location');
    my %asked = EdxSSO::Browser::query($there);
    is($asked{post_logout_redirect_uri}, $site->root . '/edxsso/logout', 'our own logout URL');
    my $back = $browser->get($there)->header('Location');
    is($back, $site->root . "/edxsso/logout?state=$asked{state}", 'the state comes back');
    is($browser->get($back)->header('Location'), $site->root . '/app/bye?x=1', 'and leads to next');
    my $new = $site->enter;
    for my $state ('x', $asked{state} . 'A', substr($asked{state}, 0, 60), 'A' x 9000) {
        my $answer = $new->get("/edxsso/logout?state=$state");
        cmp_ok($answer->status, '>=', 400, 'other state: refused (' . $answer->status . ')');
        is($answer->header('Location'), undef, 'other state: leads nowhere');
    }
    is($new->get($back)->status, 302, 'an old state');
    is($site->alive(cookie_of($new)), 1, 'no state signs anybody out');
    my $answer = $browser->get('/edxsso/logout');
    is($answer->status, 200, 'no state: a page');
    like($answer->body, qr/signed out/i, 'that says so');
    $there = $new->get('/edxsso/logout')->header('Location');
    $back = $new->get($there)->header('Location');
    like($new->get($back)->body, qr/signed out/i, 'without next: the same page');
    return;
}

# ---- LMS
{
    my $browser = $pair->enter('lms');
    my $thief = $browser->clone;
    is($browser->get('/edxsso/logout')->header('Location'),
        lms_root() . '/logout?client_id=studio-sso&redirect_url=' . EdxSSO::Browser::escape("$root/"), 'LMS: its logout');
    ended('LMS: logout', $thief);
    $browser = $pair->enter('lms');
    $thief = $browser->clone;
    my $cookie = cookie_of($browser);
    my $frame = $browser->get('/edxsso/logout?no_redirect=1', as => 'frame');
    is($frame->status . $frame->body, '200', 'LMS: the frame');
    ended('LMS: frame', $thief);
}

# ---- oidcc-client-test-rp-frontchannel-opinitlogout, -rpinitlogout: a frame without cookies
{
    my ($one, $two, $other) = map { $pair->enter } 1 .. 3;
    my $sid = sid_of($one);
    my $frame = EdxSSO::Browser->new(base => $pair->httpd(-1)->url);
    my @in_vain = ("op?sid=$sid-x", 'op?sid=', 'op', 'lms?sid=' . $sid, 'op?sid=' . 'x' x 5000);
    for my $in_vain (@in_vain) {
        my $answer = $frame->get("/edxsso/frontchannel-logout/$in_vain", as => 'frame', cross_site => 1);
        is($answer->status, 200, 'frontchannel-logout: ' . substr $in_vain, 0, 60);
    }
    stays('in vain', $one, $two, $other);
    for my $wrong (["op?sid=$sid&iss=https://evil.test", 400], ["op?sid=$sid&sid=$sid", 400], ["nobody?sid=$sid", 404], ["?sid=$sid", 404]) {
        my $answer = $frame->get("/edxsso/frontchannel-logout/$wrong->[0]", as => 'frame', cross_site => 1);
        is($answer->status, $wrong->[1], "refused: $wrong->[0]");
    }
    stays('refused', $one);
    my $answer = $frame->get("/edxsso/frontchannel-logout/op?sid=$sid", as => 'frame', cross_site => 1);
    is($answer->status, 200, 'frontchannel-logout');
    is($answer->body, '', 'empty');
    is($answer->header('X-Frame-Options'), undef, 'no X-Frame-Options');
    unlike($answer->header('Content-Security-Policy') // '', qr/frame-ancestors/, 'frameable');
    like($answer->header('Cache-Control'), qr/no-store/, 'no-store');
    ended('frontchannel-logout', $one);
    stays('frontchannel-logout of another', $two, $other);
    is($frame->get('/edxsso/frontchannel-logout/op?iss=' . EdxSSO::Browser::escape($op) . '&sid=' . sid_of($two), as => 'frame', cross_site => 1)->status, 200, 'with iss');
    ended('with iss', $two);
    is($frame->get("/edxsso/frontchannel-logout/op?sid=$sid", as => 'frame')->status, 200, 'again: nothing more to do');
    is($other->get('/edxsso/frontchannel-logout/op', as => 'frame')->status, 200, 'without sid, where the browser sends its cookie');
    ended('without sid', $other);
    is($frame->request(POST => "/edxsso/frontchannel-logout/op?sid=$sid")->status, 405, 'no POST');
    is($frame->request(HEAD => "/edxsso/frontchannel-logout/op?sid=$sid")->status, 405, 'no HEAD, which must not do anything');
}

# ---- the sid is the session_state where the id_token has none
{
    op(fault => { remove => ['sid'] });
    my $browser = EdxSSO::Browser->new(base => $root);
    my $answer = $browser->follow($browser->get('/edxsso/login?provider=op&next=/app/index.txt'), while => sub { $_[0]->location !~ m{/callback/} });
    $answer = $browser->follow($browser->get($answer->header('Location') . '&session_state=5e55'));
    is($answer->status, 200, 'signed in');
    is(sid_of($browser), undef, 'the id_token had no sid');
    is($own->get('/edxsso/frontchannel-logout/op?sid=5e55')->status, 200, 'frontchannel-logout by session_state');
    ended('by session_state', $browser);
}

# ---- back-channel: what is wrong with the token, status
sub backchannel {
    my ($fault, %more) = @_;
    my $at = $pair->httpd(-1)->url; # not the one where people signed in
    return op(backchannel => { url => "$at/edxsso/backchannel-logout/op", fault => $fault, %more });
}
my $EVENT = 'http://schemas.openid.net/event/backchannel-logout';
my @modules = (
    ['oidcc-client-test-rp-backchannel-rpinitlogout-alg-none', { name => 'alg-none' }],
    ['oidcc-client-test-rp-backchannel-rpinitlogout-wrong-alg', { name => 'ps256' }],
    ['oidcc-client-test-rp-backchannel-rpinitlogout-wrong-iss', { name => 'iss-wrong' }],
    ['oidcc-client-test-rp-backchannel-rpinitlogout-wrong-aud', { name => 'aud-wrong' }],
    ['oidcc-client-test-rp-backchannel-rpinitlogout-no-event', { remove => ['events'] }],
    ['oidcc-client-test-rp-backchannel-rpinitlogout-wrong-event', { claims => { events => { 'http://schemas.openid.net/event/foo' => {} } } }],
    ['oidcc-client-test-rp-backchannel-rpinitlogout-with-nonce', { claims => { nonce => 'n' } }],
    ['no aud', { name => 'aud-missing' }], ['no iss', { name => 'iss-missing' }],
    ['another audience too, and no azp', { name => 'aud-list-more' }],
    ['an azp that is not us', { name => 'azp-wrong' }],
    ['no iat', { name => 'iat-missing' }], ['iat in the future', { name => 'iat-future' }],
    ['no exp', { name => 'exp-missing' }], ['expired', { name => 'exp-past' }],
    ['neither sub nor sid', { remove => ['sub', 'sid'] }],
    ['sub is a number', { claims => { sub => 7 } }], ['sid is a list', { claims => { sid => ['x'] } }],
    ['no jti', { remove => ['jti'] }],
    ['events is a list', { claims => { events => [$EVENT] } }], ['events is a text', { claims => { events => $EVENT } }],
    ['the event is no object', { claims => { events => { $EVENT => 1 } } }],
    ['an access token', { header => { typ => 'at+jwt' } }],
    ['a nonce that is null', { claims => { nonce => undef } }],
    ['signed by somebody else', { name => 'foreign-key' }], ['signature changed', { name => 'signature-flipped' }],
    ['HS256 by the public key', { name => 'hs256-public-pem' }], ['no token', { raw => 'x' }], ['crit', { name => 'crit' }],
    ['sub twice', { name => 'claims-duplicate' }],
);
{
    my $browser = $pair->enter;
    my $before = () = $pair->httpd(-1)->log_text =~ /SSO1068/g;
    for my $module (@modules) {
        my $back = backchannel($module->[1]);
        is($back->{status}, 400, "$module->[0]: 400");
        my $json = eval { JSON::PP::decode_json($back->{body}) } || {};
        ok(length($json->{error} // ''), "$module->[0]: JSON with an error") or diag($back->{body});
        my ($cache) = map { $_->[1] } grep { lc $_->[0] eq 'cache-control' } @{ $back->{headers} };
        like($cache, qr/no-store/, "$module->[0]: no-store");
    }
    my $after = () = $pair->httpd(-1)->log_text =~ /SSO1068: backchannel-logout: op: /g;
    is($after - $before, scalar @modules, 'a line of the log each');
    stays('none of them', $browser);
    for my $form ('', 'logout_token=', 'logout_token=a&logout_token=b', 'token=x') {
        is($own->post('/edxsso/backchannel-logout/op', $form)->status, 400, "'$form'");
    }
    is($own->post('/edxsso/backchannel-logout/op', 'logout_token=x', headers => [['Content-Type', 'application/json']])->status, 400, 'no form');
    is($own->get('/edxsso/backchannel-logout/op?logout_token=x')->status, 405, 'no GET');
    is($own->post('/edxsso/backchannel-logout/nobody', 'logout_token=x')->status, 404, 'no such provider');
}

# ---- oidcc-client-test-rp-backchannel-rpinitlogout
{
    my ($one, $two) = map { $pair->enter } 1 .. 2;
    my $sid = sid_of($one);
    my $back = backchannel({}, sid => $sid);
    is($back->{status}, 200, 'backchannel-logout: 200');
    is($back->{body}, '', 'empty');
    like(join(' ', map { "$_->[0]: $_->[1]" } @{ $back->{headers} }), qr/cache-control: no-store/i, 'no-store');
    ended('by sid', $one);
    stays('by the sid of another', $two);
    my $again = $own->post('/edxsso/backchannel-logout/op', [logout_token => $back->{token}]);
    is($again->status, 400, 'the same token again is refused');

    my @more = map { $pair->enter } 1 .. 3;
    my $lms = $pair->enter('lms');
    op(user => { default => 'joe' });
    my $joe = $pair->enter;
    op(user => { default => 'jane' });
    $back = backchannel({ remove => ['sid'] }, sid => sid_of($more[0]));
    is($back->{status}, 200, 'by sub alone');
    ended('all sessions of a sub', $two, @more);
    stays('another sub', $joe, $lms);
    my $new = $pair->enter;
    stays('signed in again', $new);
    is($own->post('/edxsso/backchannel-logout/op', [logout_token => $back->{token}])->status, 400, 'the token again');
    stays('after the token again', $new);
    is(backchannel({ header => { typ => 'JWT' }, remove => ['sid'] })->{status}, 200, 'typ JWT, as before the name was chosen');
    ended('typ JWT', $new);
    my $kept = $pair->enter;
    is(backchannel({ claims => { sid => 'never-seen' } }, sid => sid_of($kept))->{status}, 200, 'a sid that is not known');
    ended('then it is all of the sub', $kept);
    stays('and still not another', $joe);
    is(backchannel({ remove => ['sub'], claims => { sid => 'never-seen' } })->{status}, 200, 'a sid that is not known, and no sub');
    stays('ends nothing', $joe, $lms);
}

# ---- a cookie pasted together
{
    my ($jane, $lms) = ($pair->enter, $pair->enter('lms'));
    my ($first, $second) = map { $_->cookie('edxsso')->{value} } $jane, $lms;
    is($pair->alive('edxsso=' . substr($first, 0, 42) . substr $second, 42), 0, 'half of one cookie, half of another: none');
}

landing();
is($pair->alive(cookie_of($pair->enter)), $all, 'after all that somebody signs in');
done_testing();
