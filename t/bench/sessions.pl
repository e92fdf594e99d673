#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
# The parts of make bench that need a httpd and an LMS; t/bench/run.sh calls it.
#
#   sessions.pl requests   instructions of a signed-in request beside 1,000 and beside many sessions
#   sessions.pl redis      round trips of a signed-in request and of a sign-in
#   sessions.pl memory     of httpd without and with the module, with sessions, after many requests
#   sessions.pl restarts   what users see of three graceful restarts under load
use strict;
use warnings;
use IO::Socket::INET;
use POSIX ();
use EdxSSO::Httpd;
use EdxSSO::Load;
use EdxSSO::Redis;
use EdxSSO::Servers;
use EdxSSO::Site;

my $dir = $ENV{BENCH_DIR};
my $many = $ENV{BENCH_ENTRIES};
my $VALUE = 300;          # bytes of a stranger's entry: what it costs beside it does not depend on that
my $ROOM = 640;           # bytes that such an entry takes, generously
my ($SHORT, $LONG) = (100, 500); # requests of two runs; their difference is without start and stop

my $servers = EdxSSO::Servers->new(logs => $dir);
my ($root) = $servers->start('/usr/bin/python3', 't/idp/lms.py', '--write-jwks', "$dir/lms-jwks.json");
$ENV{LMS_ROOT} = $root;
$ENV{LMS_FILES} = $dir;
EdxSSO::Browser->new(base => $root, as => 'plain')->request(POST => '/_ctl/user', body => '{"default": "jsmith"}',
    headers => [['Content-Type', 'application/json']])->status == 200 or die "the LMS is not there\n";

# Instructions of a httpd that answers so many requests
sub instructions {
    my ($httpd, $path, $cookie, $count) = @_;
    my $log = $httpd->dir . '/callgrind';
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDOUT, '>', $log;
        open STDERR, '>&', \*STDOUT;
        exec('valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null', EdxSSO::Httpd::program(), '-X',
            '-d', $httpd->dir, '-f', $httpd->dir . '/httpd.conf') or POSIX::_exit(127);
    }
    my $port = $httpd->port;
    for (1 .. 2400) {
        last if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
        die "httpd ended: see $log\n" if waitpid $pid, POSIX::WNOHANG();
        select undef, undef, undef, 0.05;
    }
    my $load = EdxSSO::Load->start(port => $port, path => $path, cookies => [$cookie // ()], clients => 1, pause => 0,
        most => $count);
    my $seen;
    # one client that has its answers is done: its count tells
    select undef, undef, undef, 0.2 until access_lines($httpd) >= $count;
    $seen = $load->stop;
    die EdxSSO::Load::summary($seen) . "\n" if ($seen->{status}{200} // 0) != $count;
    kill TERM => $pid;
    waitpid $pid, 0;
    open my $in, '<', $log or die "$log: $!\n";
    my ($collected) = map { /Collected : (\d+)/ ? $1 : () } <$in>;
    unlink $httpd->dir . '/logs/access_log';
    return $collected // die "callgrind said nothing: see $log\n";
}

sub access_lines {
    my ($httpd) = @_;
    open my $in, '<', $httpd->dir . '/logs/access_log' or return 0;
    my $count = () = <$in>;
    return $count;
}

sub cost {
    my ($httpd, $path, $cookie) = @_;
    my @runs = map { instructions($httpd, $path, $cookie, $_) } $SHORT, $LONG;
    return ($runs[1] - $runs[0]) / ($LONG - $SHORT);
}

sub requests {
    my $size = 1_048_576 * (2 + int(($many * $ROOM) / 1_048_576));
    my $httpd = site(mpm => 'event', server => "EdxSSOStore shm:$size\nLogLevel warn auth_edxsso:warn\n",
        more => "StartServers 1\nServerLimit 1\nMaxRequestWorkers 16\nMaxKeepAliveRequests 0\n"
            . "<Location /lean>\nAuthType edxsso\nRequire valid-user\n</Location>\n");
    mkdir $httpd->dir . '/htdocs/lean';
    link $httpd->dir . '/htdocs/open/index.txt', $httpd->dir . '/htdocs/lean/index.txt' or die "$!\n";
    my $file = $httpd->dir . '/state/store.shm';
    $httpd->start;
    my $cookie = cookie_of(sign_in($httpd) || die "cannot sign in\n" . $httpd->log_text);
    $httpd->stop;
    unlink $httpd->dir . '/logs/access_log';
    my $open = cost($httpd, '/open/index.txt');
    printf "%-48s %10.0f instructions\n", 'an open file', $open;
    my %added;
    for my $entries (1000, $many) {
        my $said = `$dir/store_fill $file $size $entries $VALUE`;
        die "store_fill failed\n" if $?;
        print "   store: $said";
        $added{$entries} = cost($httpd, '/lean/index.txt', $cookie) - $open;
        printf "%-48s %10.0f instructions added\n", "a signed-in request beside $entries sessions", $added{$entries};
    }
    printf "%-48s %10.3f (1.1 at most)\n", "beside $many / beside 1000", $added{$many} / $added{1000};
    return;
}

sub redis {
    my $redis = EdxSSO::Redis->new or return print "no redis-server\n";
    $redis->start;
    my $httpd = site(mpm => 'event', server => 'EdxSSOStore "' . $redis->url . "\"\n",
        more => "StartServers 1\nServerLimit 1\nMaxRequestWorkers 16\n")->start;
    my $cookie = cookie_of(sign_in($httpd) || die "cannot sign in\n");
    my @requests = $redis->watch(sub { alive($httpd, ($cookie) x 100) });
    printf "%-48s %10.2f (%s)\n", 'round trips of a signed-in request', @requests / 100, $requests[0];
    my @sign_in = $redis->watch(sub { sign_in($httpd) });
    printf "%-48s %10d (%s)\n", 'round trips of a sign-in and the request after it', scalar @sign_in, "@sign_in";
    my ($length) = map { $redis->ask('STRLEN', $_) } grep { ($redis->ask('STRLEN', $_) // 0) > 100 } @{ $redis->ask('KEYS', '*') };
    printf "%-48s %10d\n", 'bytes of a session', $length;
    return;
}

sub restarts {
    for my $mpm (qw(event worker prefork)) {
        my $httpd = site(mpm => $mpm)->start;
        my @cookies = map { cookie_of(sign_in($httpd)) } 1 .. 10;
        my $load = load($httpd, @cookies, { pause => 0 });
        for (1 .. 3) {
            $httpd->graceful;
            select undef, undef, undef, 1;
        }
        my $seen = $load->stop;
        printf "%-48s %10d of %d requests; %d of 10 sessions alive\n", "three graceful restarts, $mpm: not 200",
            $seen->{requests} - ($seen->{status}{200} // 0), $seen->{requests}, alive($httpd, @cookies);
        $httpd->stop;
        $httpd->start;
        printf "%-48s %10d of 10 sessions alive\n", "stop and start, $mpm", alive($httpd, @cookies);
    }
    return;
}

# Bytes of a httpd's processes, what they share counted once
sub pss {
    my ($httpd) = @_;
    my $sum = 0;
    for my $pid ($httpd->pid, $httpd->children) {
        open my $in, '<', "/proc/$pid/smaps_rollup" or next;
        $sum += $_ for map { /^Pss:\s+(\d+)/ ? $1 * 1024 : () } <$in>;
    }
    return $sum;
}

sub memory {
    my ($warm, $sessions, $requests) = (300, 1000, 20_000);
    my $plain = EdxSSO::Httpd->new(mpm => 'event', without_module => 1)->start;
    $plain->wait_until(sub { EdxSSO::Browser->new(base => $plain->url)->get('/')->status });
    my $before = pss($plain);
    $plain->stop;
    my $httpd = site(mpm => 'event', server => "LogLevel warn auth_edxsso:warn\n")->start;
    EdxSSO::Browser->new(base => $httpd->url)->get('/open/index.txt');
    my $empty = pss($httpd);
    printf "%-48s %10.1f MiB\n", 'httpd without the module', $before / 1048576;
    printf "%-48s %10.1f MiB more\n", 'with it', ($empty - $before) / 1048576;
    my @cookies = map { cookie_of(sign_in($httpd)) } 1 .. $warm;
    my $some = pss($httpd);
    push @cookies, map { cookie_of(sign_in($httpd)) } 1 .. $sessions;
    printf "%-48s %10.0f bytes\n", "each of $sessions sessions", (pss($httpd) - $some) / $sessions;
    my @sizes;
    for (1, 2) {
        my $until = access_lines($httpd) + $requests;
        my $load = load($httpd, @cookies, { clients => 2, pause => 0, most => $requests / 2 });
        $httpd->wait_until(sub { access_lines($httpd) >= $until });
        my $seen = $load->stop;
        push @sizes, pss($httpd);
        printf "%-48s %10.1f MiB\n", "after $seen->{requests} requests more", $sizes[-1] / 1048576;
    }
    return;
}

my %parts = (memory => \&memory, requests => \&requests, redis => \&redis, restarts => \&restarts);
my $part = $parts{ $ARGV[0] // '' } or die "requests, redis, memory or restarts\n";
print "== $ARGV[0]\n";
$| = 1;
$part->();
