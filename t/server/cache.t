# SPDX-License-Identifier: Apache-2.0
# mod_cache, told to keep what it can, keeps nothing of a place that needs sign-in; nor does a browser.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Visitor;

lms_reset();
allow_log(qw(SSO0564 SSO0680 SSO0687 SSO0145 SSO0353));
mkdir "$ENV{LMS_FILES}/../state/cache";

sub hit { return ($_[0]->header('X-Cache') // '') =~ /^HIT|^REVALIDATE/ ? 1 : 0 }

for my $vhost (qw(cache latecache)) {
    my $nobody = browser($vhost);
    $nobody->get('/open/x') for 1 .. 2;
    is(hit($nobody->get('/open/x')), 1, "$vhost: an open page is kept");
    my $browser = visitor($vhost, '/app/x');
    for my $path ($vhost eq 'cache' ? qw(/app/x /proxy/x /file/part.html /pass/x /jump/x) : '/app/x') {
        my @answers = map { $browser->get($path) } 1 .. 3;
        is($answers[2]->status, 200, "$vhost: $path, signed in");
        is(hit($_), 0, "$vhost: $path is not kept") for @answers;
        my $answer = browser($vhost)->get($path);
        is($answer->status, $path =~ /pass/ ? 200 : 302, "$vhost: $path, nobody") or diag($answer->body);
        unlike($answer->body, qr/jsmith|CANARY/, "$vhost: $path, nobody sees nothing of it");
        my $zoe = visitor($vhost, $path, user => 'zoe');
        unlike($zoe->get($path)->body, qr/jsmith/, "$vhost: $path, nor does another user");
        is(hit(browser($vhost)->get($path)), 0, "$vhost: $path: nor is the answer for nobody kept");
        is(hit(browser($vhost)->get($path, as => 'fetch')), 0, "$vhost: $path: nor is the 401");
    }
    my $session = $browser->get('/edxsso/session');
    is(hit($_), 0, "$vhost: the module's own URLs are not kept") for map { $browser->get($_) } ('/edxsso/session', '/edxsso/session',
        '/edxsso/nothing', '/edxsso/nothing');
    allow_log('SSO0682');
    is(browser($vhost)->get('/edxsso/session')->status, 401, "$vhost: nobody has no session");
    $browser->get('/edxsso/logout') for 1 .. 2;
    is(visitor($vhost, '/app/x')->get('/edxsso/logout')->status, 302, "$vhost: logging out is never answered from the cache");
}

done_testing();
