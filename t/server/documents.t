# SPDX-License-Identifier: Apache-2.0
# Provider metadata and keys: fetched once for all, kept over restarts, ahead of their time, served past
# it while the provider is down; new keys at once, unknown ones no more often than allowed.
use strict;
use warnings;
use IO::Socket::INET ();
use JSON::PP ();
use POSIX ();
use Time::HiRes ();
use EdxSSO::Test;
use EdxSSO::Httpd;
use EdxSSO::Servers;
use EdxSSO::SignIn;
use EdxSSO::Site;

my $METADATA = '/oauth2/.well-known/openid-configuration';
my $KEYS = '/oauth2/jwks.json';
my @LMS = ('/usr/bin/python3', 't/idp/lms.py');

alone();
my $servers = EdxSSO::Servers->new;
my $root = $servers->start(@LMS);
lms_root($root);

sub fresh_lms {
    lms_reset();
    lms(config => { legacy_discovery => JSON::PP::true() });
    return;
}

sub documents_site {
    my ($provider, %option) = @_;
    return site(root => $root, provider => "EdxSSODiscovery on\n$provider", %option);
}

# httpd without what fetches ahead: only requests fetch
my @NO_WATCHDOG = (without => [qw(watchdog)]);

sub fetched { return join ' and ', map { lms_calls($_) } $METADATA, $KEYS }
sub down { lms(answer => { endpoint => $_, wire => 'reset', count => 0 }) for $METADATA, $KEYS; return }

# Somebody can sign in within so many seconds. Of a try that took longer than it has to only half a second counts: what the
# provider, the browser and httpd do takes less, and what is waited for goes by the clock.
sub soon {
    my ($httpd, $limit, $why) = @_;
    my $counted = 0;
    my $fine = $httpd->wait_until(sub {
        my $began = Time::HiRes::time();
        my $in = sign_in($httpd);
        my $took = Time::HiRes::time() - $began + 0.05;
        $counted += $took < 0.5 ? $took : 0.5 if !$in;
        return $in;
    });
    ok($fine, "$why: signed in");
    return cmp_ok($counted, '<', $limit, sprintf '%s: soon (%.1f s)', $why, $counted);
}

# As many at once: each is ready at the redirect back to us, then all go on together.
sub at_barrier {
    my ($httpd, $count) = @_;
    pipe(my $gate, my $open) or die "pipe: $!\n";
    pipe(my $told, my $tell) or die "pipe: $!\n";
    my $dir = File::Temp::tempdir(CLEANUP => 1);
    my @pids = map {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            close $open;
            my $browser = EdxSSO::Browser->new(base => $httpd->url);
            my $callback = to_callback($browser, '/app/index.txt');
            syswrite $tell, 'x';
            sysread $gate, my $byte, 1; # until the parent closes it
            my $answer = $browser->follow($browser->get($callback->location // '/app/index.txt'));
            require POSIX;
            POSIX::_exit($answer->status == 200 ? 0 : 1);
        }
        $pid;
    } 1 .. $count;
    my $ready = 0;
    while ($ready < $count) { $ready += sysread($told, my $bytes, $count) || last }
    close $open;
    my $fine = 0;
    for my $pid (@pids) { waitpid $pid, 0; $fine++ unless $? }
    return $fine;
}

# ---- a cold cache

{
    fresh_lms();
    my $count = slow() ? 100 : 40;
    # the redirects need the metadata, the callbacks the keys
    my $httpd = documents_site('', more => "MaxRequestWorkers 64\n", @NO_WATCHDOG)->start;
    lms(answer => { endpoint => $_, delay => 0.5, count => 1 }) for $METADATA, $KEYS;
    is(at_barrier($httpd, $count), $count, "$count sign-ins meet a cold cache: all succeed");
    is(fetched(), '1 and 1', 'metadata and keys were fetched once');

    my $load = EdxSSO::Load->start(port => $httpd->port, path => '/app/index.txt', clients => 8, pause => 0, most => 125,
        expect => 302);
    my $seen = $load->complete;
    is($seen->{status}{302}, 1000, '1,000 redirects to sign in') or diag(EdxSSO::Load::summary($seen));
    is(fetched(), '1 and 1', 'fetch nothing');

    $httpd->graceful;
    ok(sign_in($httpd), 'after a graceful restart');
    $httpd->stop;
    $httpd->start;
    ok(sign_in($httpd), 'after stop and start');
    is(fetched(), '1 and 1', 'documents are those that were kept');
    $httpd->stop;

    my $together = documents_site('', @NO_WATCHDOG)->start;
    my $before = fetched();
    $load = EdxSSO::Load->start(port => $together->port, path => '/app/index.txt', clients => 10, pause => 0, most => 100,
        expect => 302);
    ok(sign_in($together), 'another httpd, 1,000 requests from the very first on');
    $seen = $load->complete;
    is($before, '1 and 1', 'nothing was fetched before');
    is(fetched(), '2 and 2', 'they caused one request for metadata and one for keys');
    is(join(' ', keys %{ $seen->{status} }), 302, 'and none of them failed') or diag(EdxSSO::Load::summary($seen));
}

# ---- ahead of their time, without any request

{
    fresh_lms();
    my $httpd = documents_site("EdxSSOProviderConfigurationCacheTTL 3s\nEdxSSOJWKSCacheTTL 3s\n")->start;
    ok($httpd->wait_until(sub { lms_calls($METADATA) >= 2 && lms_calls($KEYS) >= 2 }), 'fetched, and again, without any request');
    my $began = Time::HiRes::time();
    lms('forget', {});
    select undef, undef, undef, 0.1 while Time::HiRes::time() - $began < 6;
    for my $document ($METADATA, $KEYS) {
        my $calls = lms_calls($document);
        my $span = Time::HiRes::time() - $began;
        cmp_ok($calls, '<=', 4 * $span / 6, sprintf '%s: not more often than its time asks for, by one process of all (%.1f s)', $document, $span);
    }
    ok(sign_in($httpd), 'a sign-in');
}

# ---- past their time: a second, and then six

# From a first sign-in on: how many of those that ended within 4.5 s were well; undef where the machine was busy with something
# else meanwhile. And when the first one began.
sub served_stale {
    my ($httpd) = @_;
    fresh_lms();
    my $since = Time::HiRes::time();
    ok($httpd->wait_until(sub { $since = Time::HiRes::time(); sign_in($httpd) }), 'signed in');
    down();
    my $stale = 0;
    while (Time::HiRes::time() - $since < 4.5) {
        my $fine = sign_in($httpd);
        return (undef, $since) if Time::HiRes::time() - $since > 6;
        $stale++ if $fine;
        select undef, undef, undef, 0.5;
    }
    return ($stale < 5 && Time::HiRes::time() - $since > 5.5 ? undef : $stale, $since);
}

{
    my ($httpd, $stale, $since);
    for (1 .. 5) {
        $httpd = documents_site("EdxSSOProviderConfigurationCacheTTL 1s\nEdxSSOJWKSCacheTTL 1s\nEdxSSOStaleIfError 6s\n", @NO_WATCHDOG)->start;
        ($stale, $since) = served_stale($httpd);
        last if defined $stale;
    }
    cmp_ok($stale // 0, '>=', 5, 'the provider is down: old documents serve');
    like($httpd->log_text, qr/SSO0355: .*the copy at hand serves for another \d s/, 'the log says for how long');
    my $answer;
    ok($httpd->wait_until(sub {
        my $browser = EdxSSO::Browser->new(base => $httpd->url);
        $answer = $browser->follow($browser->get('/app/index.txt'));
        return $answer->status == 503;
    }), 'until EdxSSOStaleIfError is over: 503');
    cmp_ok(Time::HiRes::time() - $since, '>', 6, 'not earlier');
    is($answer->header('Retry-After'), 5, 'with Retry-After');
    fresh_lms();
    soon($httpd, 7, 'the provider is back');
    like($httpd->log_text, qr/SSO0354: .*can be had again/, 'the log says that it is back');
}

# ---- keys: new ones, unknown ones

{
    fresh_lms();
    my $httpd = documents_site("EdxSSOJWKSMinRefresh 3s\n")->start;
    ok(sign_in($httpd), 'signed in');
    is(lms_calls($KEYS), 1, 'with the keys fetched once');
    lms(rotate => { keep => 0 });
    ok(sign_in($httpd), 'a new key: signed in at once');
    is(lms_calls($KEYS), 2, 'with one more request');

    # tokens of keys that nobody has
    my ($count, $span, $began) = (0, 0, Time::HiRes::time());
    my %status;
    while ($span < 4 || ($span < 60 && lms_calls($KEYS) < 3)) {
        lms(fault => { key => 'foreign', kid => 'wrong' });
        my $browser = EdxSSO::Browser->new(base => $httpd->url);
        my $callback = to_callback($browser, '/app/index.txt');
        $status{ $browser->get($callback->location)->status }++;
        $count++;
        $span = Time::HiRes::time() - $began;
        select undef, undef, undef, 0.02;
    }
    is(join(' ', keys %status), 400, "$count tokens of keys that nobody has: 400");
    my $more = lms_calls($KEYS) - 2;
    cmp_ok($more, '>=', 1, 'they made us look');
    cmp_ok($more, '<=', 1 + $span / 3, sprintf 'no more often than allowed (%d times in %.1f s)', $more, $span);
    lms(rotate => { keep => 0 });
    soon($httpd, 4.5, 'a real change after them, when the window is over at the latest');
}

# Two sections with the same keys: who may look less often does not keep the other from it
{
    lms_reset('patient');
    lms(config => { legacy_discovery => JSON::PP::true() });
    my $httpd = documents_site("EdxSSOJWKSMinRefresh 1s\n", more => "<EdxSSOProvider patient edx>\nEdxSSOURLRoot $root\n"
        . "EdxSSODiscovery on\nEdxSSOClientID studio-sso\nEdxSSOClientSecret studio-secret\nEdxSSOJWKSMinRefresh 1d\n</EdxSSOProvider>\n")->start;
    for my $name (qw(lms patient lms)) {
        lms(rotate => { keep => 0 });
        select undef, undef, undef, 1.2; # past the shorter of the two
        my $browser = EdxSSO::Browser->new(base => $httpd->url);
        is($browser->follow($browser->get("/edxsso/login?provider=$name&next=/app/index.txt"))->status, 200, "a new key, by $name");
    }
}

# ---- a child that ends while a document comes: it is read to its end, and nothing that it needs goes before

# What httpd wrote into its log when it was told to stop in the middle, and how long after that the rest of the document was
# there: httpd itself ends a child that takes more than a few seconds.
sub stopped_while_fetching {
    my ($mpm) = @_;
    my $listener = IO::Socket::INET->new(Listen => 9, LocalAddr => '127.0.0.1:0') or die "$!\n";
    my $httpd = documents_site('', root => 'http://127.0.0.1:' . $listener->sockport, mpm => $mpm)->start;
    my $asked = $listener->accept;
    while (defined(my $line = <$asked>)) { last if $line eq "\r\n" }
    my $told = Time::HiRes::time();
    $httpd->kill('TERM');
    select undef, undef, undef, 0.25;
    print {$asked} "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{}";
    close $asked;
    my $took = Time::HiRes::time() - $told;
    $httpd->stop;
    return ($httpd->log_text, $took);
}

for my $mpm (qw(event prefork)) {
    my ($log, $took);
    for (1 .. 10) {
        ($log, $took) = stopped_while_fetching($mpm);
        last if $took < 0.5;
    }
    like($log, qr/SSO0353: .*names no issuer/, "$mpm: read to its end");
    unlike($log, qr/exit signal/, "$mpm: nothing crashed");
}

# ---- nobody there at the start

{
    my $port = EdxSSO::Httpd::free_port();
    my $httpd = documents_site('', root => "http://127.0.0.1:$port")->start;
    my $browser = EdxSSO::Browser->new(base => $httpd->url);
    is($browser->get('/open/index.txt')->status, 200, 'httpd starts without any provider');
    in_time(0.5, 'at once', sub {
        my $answer = $browser->get('/app/index.txt');
        is($answer->status, 503, 'a first sign-in: 503');
        is($answer->header('Retry-After'), 5, 'with Retry-After');
    });
    my $servers2 = EdxSSO::Servers->new;
    lms_root($servers2->start(@LMS, '--port', $port));
    fresh_lms();
    soon($httpd, 6.5, 'the provider is there');
}

done_testing();
