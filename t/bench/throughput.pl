#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
# What comes through, by wrk, beside an open file on the same httpd: only the ratios mean something. Parts of make
# bench, this module beside mod_auth_openidc; t/bench/run.sh calls it.
#
#   throughput.pl throughput   signed in; through mod_proxy_http, to a tiny backend and to a whole httpd
#   throughput.pl clients      64 and 512 connections
#   throughput.pl mpms         prefork, worker, event
#   throughput.pl hosts        two httpds on one Redis
use strict;
use warnings;
use EdxSSO::Bench;
use EdxSSO::Callgrind;
use EdxSSO::Contest;
use EdxSSO::Redis;
use EdxSSO::Servers;
use POSIX ();

my $dir = $ENV{BENCH_DIR} || '/tmp';
my $servers = EdxSSO::Servers->new(logs => $dir);
my $provider = EdxSSO::Contest::provider($servers);
my @which = modules();
$| = 1;

sub started { my ($which, %option) = @_; return EdxSSO::Contest::site($which, $provider, %option, more => "MaxKeepAliveRequests 0\n" . ($option{more} // ''))->start }
sub signed_in { return 'Cookie: ' . EdxSSO::Contest::sign_in($_[0]) }

# Rows of a table: [what, path of an open place, path of one for those who are signed in, budget, options of wrk]; each
# round asks httpd alone, then the modules, and a ratio is of one round.
sub compare {
    my ($httpd, $cookie, @rows) = @_;
    my @runs;
    for my $row (@rows) {
        my ($name, $open, $path, undef, %how) = @$row;
        push @runs, ["$name none", sub { wrk($httpd->{none}, $open, undef, %how) }],
            map { my $which = $_; ["$name $which", sub { wrk($httpd->{$which}, $path, $cookie->{$which}, %how) }] } @which;
    }
    my %rates = rounds(@runs);
    for my $row (@rows) {
        my ($name, undef, undef, $budget) = @$row;
        my @base = @{ $rates{"$name none"} };
        my %ratio = map { my @own = @{ $rates{"$name $_"} }; ($_ => sprintf '%.2f', median(map { $own[$_] / $base[$_] } 0 .. $#base)) } @which;
        row($name, @ratio{qw(openidc edxsso)}, $budget);
    }
    return;
}

sub all_started { my (%option) = @_; return { map { $_ => started($_, %option) } 'none', @which } }
sub all_cookies { my ($httpd) = @_; return { map { $_ => signed_in($httpd->{$_}) } @which } }

sub throughput {
    my $tiny = $servers->start("$dir/backend");
    my $whole = started('none');
    my $lines = join '', map { "ProxyPass /$_/tiny $tiny keepalive=On\n"
            . "ProxyPass /$_/whole http://127.0.0.1:" . $whole->port . "/open keepalive=On\n" } qw(app open);
    my $httpd = all_started(more => $lines);
    compare($httpd, all_cookies($httpd),
        ['signed in / open file', '/open/index.txt', '/app/index.txt', '>= 0.92'],
        ['the same, proxied to a tiny backend', '/open/tiny/index.txt', '/app/tiny/index.txt', '>= 0.97'],
        ['the same, proxied to another httpd', '/open/whole/index.txt', '/app/whole/index.txt', '']);
    return;
}

sub clients {
    my $httpd = all_started();
    compare($httpd, all_cookies($httpd), map { ["signed in / open file, $_ connections", '/open/index.txt', '/app/index.txt',
        '', clients => $_] } 64, 512);
    return;
}

sub mpms {
    for my $mpm (qw(prefork worker event)) {
        my $httpd = all_started(httpd => { mpm => $mpm }, more => $mpm eq 'prefork' ? "StartServers 20\nMaxRequestWorkers 64\n" : '');
        compare($httpd, all_cookies($httpd), ["signed in / open file, $mpm", '/open/index.txt', '/app/index.txt', '']);
    }
    return;
}

# ---- two httpds, one Redis

# Both asked at the same time: their rates together
sub together {
    my ($httpds, $path, $cookie) = @_;
    pipe(my $out, my $in) or die "pipe: $!\n";
    my @pids = map {
        my $httpd = $_;
        my $pid = fork // die "fork: $!\n";
        if (!$pid) { syswrite $in, (eval { wrk($httpd, $path, $cookie, clients => 8) } // "0 $@") . "\n"; POSIX::_exit(0) }
        $pid;
    } @$httpds;
    waitpid $_, 0 for @pids;
    close $in;
    my @rates = <$out>;
    die "wrk: @rates" if grep { $_ <= 0 } @rates;
    return $rates[0] + $rates[1];
}

sub hosts {
    my $redis = EdxSSO::Redis->new or return print "no redis-server\n";
    $redis->start;
    my (%pair, %cookie, %alive);
    for my $which ('none', @which) {
        my $server = EdxSSO::Contest::redis_lines($which, $redis);
        my $first = started($which, server => $server);
        $pair{$which} = [$first, started($which, server => $server, more => 'ServerName localhost:' . $first->port . "\n")];
        next if $which eq 'none';
        my @cookies = map { signed_in($pair{$which}[0]) } 1 .. 20;
        $alive{$which} = grep { EdxSSO::Callgrind::Client->new($pair{$which}[1]->port)->get('/app/index.txt', $_) == 200 } @cookies;
        $cookie{$which} = $cookies[0];
    }
    my %rates = rounds(['none', sub { together($pair{none}, '/open/index.txt') }],
        map { my $which = $_; [$which, sub { together($pair{$which}, '/app/index.txt', $cookie{$which}) }] } @which);
    row('sessions of one httpd that the other knows, of 20', @alive{qw(openidc edxsso)}, '= 20');
    my @base = @{ $rates{none} };
    row('signed in / open file, two httpds on one Redis', (map { my $own = $rates{$_};
        $own ? sprintf '%.2f', median(map { $own->[$_] / $base[$_] } 0 .. $#base) : '' } qw(openidc edxsso)), '');
    return;
}

my %parts = (throughput => \&throughput, clients => \&clients, mpms => \&mpms, hosts => \&hosts);
my $part = $parts{ $ARGV[0] // '' } or die "throughput, clients, mpms or hosts\n";
head($ARGV[0]);
$part->();
