#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
# What sessions cost, and what becomes of them. Parts of make bench, this module beside mod_auth_openidc;
# t/bench/run.sh calls it.
#
#   sessions.pl requests   instructions of a signed-in request beside 1,000 and beside many sessions
#   sessions.pl redis      round trips of a signed-in request and of a sign-in
#   sessions.pl memory     of httpd without and with the module, with sessions, after many requests
#   sessions.pl restarts   what users see of three graceful restarts under load
#   sessions.pl full       more sessions than the store has room for
use strict;
use warnings;
use EdxSSO::Bench;
use EdxSSO::Callgrind;
use EdxSSO::Contest;
use EdxSSO::Httpd;
use EdxSSO::Load;
use EdxSSO::Redis;
use EdxSSO::Servers;

my $dir = $ENV{BENCH_DIR};
my $many = $ENV{BENCH_ENTRIES};
my $VALUE = 300;          # bytes of a stranger's entry: what it costs beside it does not depend on that
my $ROOM = 640;           # bytes that such an entry takes, generously

my $servers = EdxSSO::Servers->new(logs => $dir);
my $provider = EdxSSO::Contest::provider($servers);
my $ONE_PROCESS = "StartServers 1\nServerLimit 1\nMaxRequestWorkers 16\n" . EdxSSO::Callgrind::mark_lines();
# no thread that wakes up as time passes and is counted, too
my %STILL = (mpm => 'prefork', without => ['watchdog']);

sub contest { my ($which, %option) = @_; return EdxSSO::Contest::site($which, $provider, %option) }

# How many of these sessions are alive
sub known {
    my ($httpd, @cookies) = @_;
    my $client = EdxSSO::Callgrind::Client->new($httpd->port);
    return scalar grep { $client->get('/app/index.txt', "Cookie: $_") == 200 } @cookies;
}

# Instructions of a signed-in request beyond those of an open file, beside so many sessions; the second store is the
# first, filled further.
sub requests {
    my $size = 1_048_576 * (2 + int(($many * $ROOM) / 1_048_576));
    my $httpd = contest('edxsso', server => "EdxSSOStore shm:$size\n", more => $ONE_PROCESS, httpd => \%STILL)->start;
    my $cookie = 'Cookie: ' . EdxSSO::Contest::sign_in($httpd);
    $httpd->stop;
    my $file = $httpd->dir . '/state/store.shm';
    my %added;
    for my $entries (1000, $many) {
        my $said = `$dir/store_fill $file $size $entries $VALUE`;
        die "store_fill failed\n" if $?;
        print "   store: $said";
        my $counted = EdxSSO::Callgrind->start($httpd);
        my $client = $counted->client;
        my @each = map { my @request = @$_; $counted->each(sub { $client->get(@request) == 200 or die "$request[0]\n" }) }
            ['/open/index.txt'], ['/app/index.txt', $cookie];
        $counted->stop;
        $added{$entries} = $each[1] - $each[0];
    }
    row("instructions of a request beside $many sessions / 1,000", undef, sprintf('%.2f', $added{$many} / $added{1000}), '<= 1.1');
    return;
}

# Commands that arrive there
sub round_trips {
    my ($which, $redis) = @_;
    my $httpd = contest($which, server => EdxSSO::Contest::redis_lines($which, $redis), more => $ONE_PROCESS)->start;
    my $cookie = EdxSSO::Contest::sign_in($httpd);
    my @requests = $redis->watch(sub { known($httpd, ($cookie) x 100) });
    my @sign_in = $redis->watch(sub { EdxSSO::Contest::sign_in_by(EdxSSO::Callgrind::Client->new($httpd->port)) });
    return sprintf '%d; %d', @requests / 100, scalar @sign_in;
}

sub redis {
    my $redis = EdxSSO::Redis->new or return print "no redis-server\n";
    $redis->start;
    row('round trips to Redis: a signed-in request; a sign-in', both(sub { round_trips($_[0], $redis) }), '<= 1; <= 3');
    return;
}

# What users see of three graceful restarts, and what is left after them and after stop and start
sub restart_all {
    my ($which, $mpm) = @_;
    my $httpd = contest($which, httpd => { mpm => $mpm })->start;
    my @cookies = map { EdxSSO::Contest::sign_in($httpd) } 1 .. 10;
    my $load = EdxSSO::Load->start(port => $httpd->port, path => '/app/index.txt', cookies => \@cookies, pause => 0);
    for (1 .. 3) {
        $httpd->graceful;
        select undef, undef, undef, 1;
    }
    my $seen = $load->stop;
    my @alive = known($httpd, @cookies);
    $httpd->stop;
    $httpd->start;
    push @alive, known($httpd, @cookies);
    return sprintf '%d; %d; %.0f', @alive, 1000 * (1 - ($seen->{status}{200} // 0) / $seen->{requests});
}

sub restarts {
    for my $mpm (qw(event worker prefork)) {
        row("$mpm, of 10 sessions: graceful; full; not 200 of 1,000", both(sub { restart_all($_[0], $mpm) }), '= 10; = 10; = 0');
    }
    return;
}

# Bytes, now or so many seconds later.
sub store_used {
    my ($httpd, $later) = @_;
    my ($bytes) = `$dir/store_fill @{[$httpd->dir]}/state/store.shm 67108864 10000 1 $later` =~ / (\d+) bytes$/ or die "store_fill failed\n";
    return $bytes;
}

# About 1.5 KB of claims and tokens. httpd alone takes a while to settle, too: growth is what is beyond its.
sub memory {
    my ($sessions, $requests) = (1000, 300_000);
    EdxSSO::Contest::control($provider, users => { name => 'pupil', claims => { department => 'Computer Engineering',
        job_title => 'Research Assistant', zoneinfo => 'Europe/Istanbul', phone_number => '+90 312 555 0100', locale => 'tr-TR' } });
    EdxSSO::Contest::control($provider, user => { default => 'pupil' });
    my (%start, %store, %grown);
    for my $which ('none', modules()) {
        my $httpd = contest($which, more => "MaxKeepAliveRequests 0\n")->start;
        EdxSSO::Callgrind::Client->new($httpd->port)->get('/open/index.txt');
        $start{$which} = pss($httpd);
        my @request = ('/open/index.txt', undef);
        if ($which ne 'none') { # the last cookie: the first ones of the peer may be gone
            @request = ('/app/index.txt', 'Cookie: ' . EdxSSO::Contest::sign_in($httpd)) for 1 .. $sessions;
        }
        wrk($httpd, @request, seconds => 6) for 1 .. 10; # until each thread has what it needs
        my ($done, $was) = (0, pss($httpd, 'own'));
        $done += wrk($httpd, @request, counted => 1, seconds => 6) while $done < $requests;
        $grown{$which} = (pss($httpd, 'own') - $was) / $done;
        $httpd->stop;
        %store = map { $_ => sprintf '%.0f', store_used($httpd, $_) / $sessions } 0, 660 if $which eq 'edxsso';
    }
    row('before the first session, MiB more than httpd alone', both(sub { sprintf '%.1f', ($start{ $_[0] } - $start{none}) / 1048576 }), '<= 12');
    row('store of each of 1,000 sessions, bytes', undef, $store{660}, '<= 2560');
    row('... in its first ten minutes: the used state, too', undef, $store{0}, '<= 2560');
    row('growth over 300,000 requests, bytes each', both(sub { sprintf '%.2f', $grown{ $_[0] } - $grown{none} }), '<= 0.2'); # of whole pages
    return;
}

# ---- a store that is too small

# More people sign in than there is room for, while some of the first go on working.
sub full {
    my ($working, $others, $most) = (10, 1000, 1_048_576);
    my $httpd = contest('edxsso', server => "EdxSSOStore shm:$most\n", more => EdxSSO::Callgrind::mark_lines(), httpd => \%STILL)->start;
    my @cookies = map { EdxSSO::Contest::sign_in($httpd) } 1 .. $working;
    my $load = EdxSSO::Load->start(port => $httpd->port, path => '/app/index.txt', cookies => \@cookies, clients => 2,
        pause => 0.01);
    my @later = map { EdxSSO::Contest::sign_in($httpd) } 1 .. $others;
    my $seen = $load->stop;
    row("1 MiB, $others sign-ins: of $working at work alive; not 200", undef,
        sprintf('%d; %d', known($httpd, @cookies), $seen->{requests} - ($seen->{status}{200} // 0)), "= $working; = 0");
    my $alive = known($httpd, @later);
    my $first = $others - $alive;
    row('of the others alive; and these are the last that came', undef, sprintf('%d; %d', $alive,
        known($httpd, @later[$first .. $#later])), ">= 1; = $alive");
    my %seen;
    my $client = EdxSSO::Callgrind::Client->new($httpd->port);
    $seen{ $client->get('/app/index.txt', "Cookie: $_") }++ for @later[0 .. $first - 1];
    row('what those get whose session had to go', undef, join(' ', map { "$seen{$_} x $_" } sort keys %seen), '');
    $httpd->stop;
    my $roomy = contest('edxsso', more => EdxSSO::Callgrind::mark_lines(), httpd => \%STILL);
    my @cost = map {
        my $counted = EdxSSO::Callgrind->start($_);
        my $cookie = EdxSSO::Contest::sign_in($_);
        my @each = ($counted->each(sub { $counted->client->get('/app/index.txt', "Cookie: $cookie") }),
            $counted->each(sub { EdxSSO::Contest::sign_in_by($counted->client) }, short => 5, long => 25, warm => 3));
        $counted->stop;
        \@each;
    } $httpd, $roomy;
    row('instructions, full / with room: signed in; sign-in', undef,
        sprintf('%.2f; %.2f', map { $cost[0][$_] / $cost[1][$_] } 0, 1), '<= 1.1; <= 1.1');
    return;
}

my %parts = (full => \&full, memory => \&memory, requests => \&requests, redis => \&redis, restarts => \&restarts);
my $part = $parts{ $ARGV[0] // '' } or die "requests, redis, memory, restarts or full\n";
$| = 1;
head($ARGV[0]);
$part->();
