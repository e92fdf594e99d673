# SPDX-License-Identifier: Apache-2.0
# Signing out: here, at the LMS, from the LMS's logout page, and who may ask for it.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Visitor;

lms_reset('other');
allow_log(qw(SSO0564 SSO0680 SSO0687 SSO0145 SSO0353));
my $ROOT = vhost('session');

sub state_of { my ($browser) = @_; return $browser->get('/edxsso/session', as => 'fetch')->status }
sub ended {
    my ($browser, $thief, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is(state_of($browser), 401, "$name: signed out");
    is(state_of($thief), 401, "$name: a copied cookie is refused");
    is($browser->cookie('edxsso'), undef, "$name: the cookie is gone");
    return;
}
sub stays { my ($browser, $name) = @_; local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is(state_of($browser), 200, "$name: still signed in") }
sub there { my $browser = visitor('session', '/app'); return ($browser, $browser->clone) }

# ---- to the LMS's logout, which leads back
my ($browser, $thief) = there();
my $answer = $browser->get('/edxsso/logout');
is($answer->status, 302, 'logout: a redirect');
is($answer->header('Cache-Control'), 'no-store', 'logout: no-store');
my $to = $answer->header('Location');
is($to, "$ENV{LMS_ROOT}/logout?client_id=studio-sso&redirect_url=" . EdxSSO::Browser::escape("$ROOT/"), 'logout: the LMS, who asks, and where back');
like($answer->header('Set-Cookie'), qr/^edxsso=; Path=\/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax$/, 'logout: the cookie is taken away');
ended($browser, $thief, 'logout');
is($browser->get($to)->status, 200, 'the LMS knows what to do with it');
is($browser->get('/app')->status, 302, 'the place asks again');

# ---- next: query, where the LMS is told to send the browser, status
my @next = (
    ['/app?a=b&c=%C3%A4', "$ROOT/app?a=b&c=%C3%A4"], ["$ROOT/app", "$ROOT/app"], ['', undef], ['app', undef],
    ['/edxsso/login', "$ROOT/"],
    map { [$_, undef] } 'https://evil.test/', '//evil.test', '/\\evil.test', 'javascript:alert(1)', "/\tx", 'http://localhost@evil.test/',
);
allow_log(map { sprintf 'SSO%04d', $_ } 100 .. 119);
for my $case (@next) {
    my ($next, $back) = @$case;
    ($browser, $thief) = there();
    $answer = $browser->get('/edxsso/logout?next=' . EdxSSO::Browser::escape($next));
    if (!defined $back && $answer->status == 400) {
        ended($browser, $thief, "next=$next: refused, and signed out all the same");
        unlike($answer->body, qr/evil|alert/, "next=$next: not echoed");
        next;
    }
    my %asked = EdxSSO::Browser::query($answer->header('Location') // '');
    is($asked{redirect_url}, $back // "$ROOT/app", "next=$next: where back");
    ended($browser, $thief, "next=$next");
}
($browser, $thief) = there();
$answer = $browser->get('/edxsso/logout?next=/a&next=/b');
is($answer->status, 400, 'next twice');
expect_log('SSO0641');
stays($browser, 'next twice');
is($browser->get('/edxsso/logout?no_redirect=1&no_redirect=1')->status, 400, 'no_redirect twice');
expect_log('SSO0641');
stays($browser, 'no_redirect twice');

# ---- without a session
my $nobody = browser('session');
is($nobody->get('/edxsso/logout?next=/app')->header('Location'), "$ROOT/app", 'without a session: to next');
$answer = $nobody->get('/edxsso/logout');
is($answer->status, 200, 'without session and next: a page');
like($answer->body, qr/signed out/i, 'that says so');
like($answer->header('Content-Security-Policy'), qr/default-src 'none'/, 'with CSP');
is($nobody->get('/edxsso/logout', headers => [['Cookie', 'edxsso=' . 'x' x 64]])->status, 200, 'with a cookie that means nothing');

# ---- the frame on the LMS's logout page
for my $method (qw(GET)) {
    ($browser, $thief) = there();
    my $jar = $browser->cookie('edxsso')->{value};
    $answer = $browser->request($method, '/edxsso/logout?no_redirect=1', as => 'frame', headers => [['Cookie', "edxsso=$jar"], ['Sec-Fetch-Site', 'cross-site']]);
    is($answer->status, 200, "frame, $method: 200");
    is($answer->body, '', "frame, $method: empty");
    is($answer->header('X-Frame-Options'), undef, "frame, $method: no X-Frame-Options");
    unlike($answer->header('Content-Security-Policy') // '', qr/frame-ancestors/, "frame, $method: no frame-ancestors");
    is($answer->header('Location'), undef, "frame, $method: no redirect");
    is($answer->header('Cache-Control'), 'no-store', "frame, $method: no-store");
    ended($browser, $thief, "frame, $method");
}
is(browser('session')->get('/edxsso/logout?no_redirect=1', as => 'frame', cross_site => 1)->body, '', 'frame without a session');

# the LMS's own page with it
lms(config => { ida_logout_uris => ["$ROOT/edxsso/logout"] });
($browser, $thief) = there();
$answer = $browser->get("$ENV{LMS_ROOT}/logout");
my ($frame) = $answer->body =~ /<iframe[^>]*src="([^"]+)"/;
SKIP: {
    skip 'the LMS shows no frame', 2 if !$frame;
    $frame =~ s/&amp;/&/g;
    is($frame, "$ROOT/edxsso/logout?no_redirect=1", 'the LMS frames our logout');
    $answer = $browser->get($frame, as => 'frame', headers => [['Sec-Fetch-Site', 'same-site']]);
    is($answer->status, 200, 'the frame answers');
    ended($browser, $thief, "the LMS's logout page");
}
lms_reset('other');

# ---- another site's link asks first
for my $site ('cross-site', 'x') {
    ($browser, $thief) = there();
    $answer = $browser->get('/edxsso/logout?next=/app%22%3E%3Cscript%3E', headers => [['Sec-Fetch-Site', $site]]);
    is($answer->status, 200, "$site: a page");
    stays($browser, $site);
    like($answer->header('Content-Security-Policy'), qr/frame-ancestors 'none'/, "$site: nobody can frame it");
    unlike($answer->body, qr/<script>/, "$site: nothing echoed raw");
    my ($action) = $answer->body =~ /<form method="post" action="([^"]+)"/;
    ok($action, "$site: with a button");
    $action =~ s/&amp;/&/g;
    $answer = $browser->post($action, '', headers => [['Sec-Fetch-Site', 'same-origin'], ['Origin', $ROOT]]);
    is($answer->status, 303, "$site: which signs out");
    ended($browser, $thief, "$site, asked");
}
for my $site ('same-origin', 'same-site', 'none', undef) {
    ($browser, $thief) = there();
    is($browser->get('/edxsso/logout', headers => [['Sec-Fetch-Site', $site]])->status, 302, 'Sec-Fetch-Site: ' . ($site // '(an old browser)'));
    ended($browser, $thief, 'and');
}

# ---- POST: headers, whether it counts
my @posts = (
    [[['Sec-Fetch-Site', 'same-origin']], 1], [[['Sec-Fetch-Site', 'none']], 1], [[['Sec-Fetch-Site', 'cross-site']], 0],
    [[['Sec-Fetch-Site', 'same-site']], 0], [[['Sec-Fetch-Site', undef], ['Origin', $ROOT]], 1],
    [[['Sec-Fetch-Site', undef], ['Origin', 'https://evil.test']], 0], [[['Sec-Fetch-Site', undef], ['Origin', 'null']], 0],
    [[['Sec-Fetch-Site', undef], ['Referer', "$ROOT/x"]], 1], [[['Sec-Fetch-Site', undef], ['Referer', 'https://evil.test/x']], 0],
    [[['Sec-Fetch-Site', undef], ['Origin', 'https://evil.test'], ['Referer', "$ROOT/x"]], 0],
    [[['Sec-Fetch-Site', undef], ['Origin', "$ROOT.evil.test"]], 0],
    [[['Sec-Fetch-Site', 'cross-site'], ['Origin', $ROOT]], 0],
);
for my $case (@posts) {
    my ($headers, $counts) = @$case;
    my $name = 'POST with ' . join ', ', map { "$_->[0]: " . ($_->[1] // '-') } @$headers;
    ($browser, $thief) = there();
    my $cookie = $browser->cookie('edxsso')->{value};
    $answer = $browser->post('/edxsso/logout', '', headers => [@$headers, ['Cookie', "edxsso=$cookie"]]);
    is($answer->status, $counts ? 303 : 403, $name);
    $counts ? ended($browser, $thief, $name) : stays($browser, $name);
    expect_log('SSO0684') if !$counts;
}

# ---- hosts that next may lead to besides
$answer = browser('named')->get('/edxsso/logout?next=https://www.named.test:8443/bye', headers => [['Host', 'named.test']]);
is($answer->header('Location'), 'https://www.named.test:8443/bye', 'EdxSSOReturnHosts');
is(browser('named')->get('/edxsso/logout?next=https://www.named.test/bye', headers => [['Host', 'named.test']])->status, 400, 'but not on another port');

is(enter(browser('session'), '/app')->status, 200, 'after all that somebody signs in');
done_testing();
