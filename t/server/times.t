# SPDX-License-Identifier: Apache-2.0
# The times of a session and of a sign-in, waited for: so they are a few seconds here.
use strict;
use warnings;
use EdxSSO::Browser;
use EdxSSO::SignIn;
use EdxSSO::Site;
use EdxSSO::Test;

lms_reset();
my $httpd = site()->start;

sub ends {
    my ($why, $directives, $path, $headers) = @_;
    $httpd->configure(site_text(server => $directives))->restart;
    my $browser = EdxSSO::Browser->new(base => $httpd->url);
    my $done = to_callback($browser, '/app/index.txt');
    my $answer = $browser->get($done->location);
    is($answer->status, 302, "$why: signed in");
    my $cookie = $browser->cookie('edxsso');
    ok($cookie, "$why: with a session cookie");
    my $started = time;
    ok($httpd->wait_until(sub { $browser->get($path, as => 'fetch', headers => $headers)->status == 401 }), "$why: the session ends");
    cmp_ok(time - $started, '>=', 1, "$why: not at once");
    is($browser->get('/edxsso/session', as => 'fetch')->status, 401, "$why: for good");
    return;
}
for my $kept ('store', 'cookie') {
    my $sessions = "EdxSSOSessions $kept\n";
    ends("idle, $kept: a page that polls does not count", "${sessions}EdxSSOSessionIdle 3s\n", '/app/index.txt', [['X-Edxsso-Background', '1']]);
    ends("idle, $kept: nor does asking about the session", "${sessions}EdxSSOSessionIdle 3s\n", '/edxsso/session', []);
    ends("the end, $kept: whatever comes", "${sessions}EdxSSOSessionMax 3s\n", '/app/index.txt', []);
}

# ---- a sign-in that takes too long
$httpd->configure(site_text(server => "EdxSSOLoginTimeout 1s\n"))->restart;
my $browser = EdxSSO::Browser->new(base => $httpd->url);
my $back = to_callback($browser, '/app/index.txt')->location;
my $before = lms_calls();
sleep 3;
my $late = $browser->get($back, headers => [['Cookie', 'edxsso_login=' . ($browser->cookie('edxsso_login') // { value => 'gone' })->{value}]]);
is($late->status, 400, 'EdxSSOLoginTimeout: too late');
is(lms_calls(), $before, 'the code is not redeemed');
like($httpd->log_text, qr/SSO0552: callback: lms: .*EdxSSOLoginTimeout/, 'and the log says why');
$httpd->stop;
done_testing();
