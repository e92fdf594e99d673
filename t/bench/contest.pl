#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
# This module beside its peers as Debian packages them: same httpd, same provider, same claims. Parts of make
# bench; t/bench/run.sh calls it.
#
#   contest.pl instructions   what a request costs, by callgrind
#   contest.pl throughput     what comes through, by wrk, in alternating rounds; only ratios mean something
use strict;
use warnings;
use IO::Socket::INET;
use List::Util ();
use EdxSSO::Callgrind;
use EdxSSO::Contest;
use EdxSSO::Servers;

my $dir = $ENV{BENCH_DIR} || '/tmp';
my $rounds = $ENV{BENCH_ROUNDS} || 5;
my $seconds = $ENV{BENCH_SECONDS} || 3;
my @ALL = grep { EdxSSO::Contest::there($_) } qw(none openidc oauth2 edxsso);
my %NAMES = (none => 'httpd alone', openidc => 'mod_auth_openidc', oauth2 => 'mod_oauth2', edxsso => 'this module');
my $servers = EdxSSO::Servers->new(logs => $dir);
my $provider = EdxSSO::Contest::provider($servers);
$| = 1;

# ---- instructions

# what, budget, whether a module can do it, and how: ['status', 'path', header lines ...] or a sub
my @SCENARIOS = (
    ['a place without sign-in', 1_500, qr/./, sub { [200, '/open/index.txt'] }],
    ['signed in', 25_000, qr/openidc|edxsso/, sub { [200, '/app/index.txt', "Cookie: $_[0]{cookies}"] }],
    ['bearer token, seen before', 25_000, qr/openidc|oauth2|edxsso/, sub { [200, '/api/index.txt', "Authorization: Bearer $_[0]{token}"] }],
    ['bearer token, first sight', undef, qr/openidc|oauth2|edxsso/,
        sub { [200, '/api/index.txt', 'Authorization: Bearer ' . shift @{ $_[0]{tokens} }] }, short => 10, long => 40, warm => 4],
    ['sent to sign in', 60_000, qr/openidc|edxsso/, sub { [302, '/app/index.txt'] }],
    ['the whole sign-in', 1_500_000, qr/openidc|edxsso/, undef, short => 5, long => 25, warm => 3],
);

sub count_all {
    my ($which) = @_;
    my $httpd = EdxSSO::Contest::site($which, $provider,
        more => "StartServers 1\nServerLimit 1\nMaxRequestWorkers 16\n" . EdxSSO::Callgrind::mark_lines());
    my $counted = EdxSSO::Callgrind->start($httpd);
    my %with = (token => EdxSSO::Contest::token(0), tokens => [map { EdxSSO::Contest::token($_) } 1 .. 60]);
    my %cost = (open => $counted->each(sub { must($counted->client, [200, '/open/index.txt']) }));
    $with{cookies} = EdxSSO::Contest::sign_in($httpd) if $which =~ /openidc|edxsso/;
    for my $scenario (@SCENARIOS) {
        my ($name, undef, $whom, $request, %runs) = @$scenario;
        next if $which eq 'none' || $which !~ $whom;
        my $work = $request ? sub { must($counted->client, $request->(\%with)) }
            : sub { EdxSSO::Contest::sign_in_by($counted->client) };
        $cost{$name} = eval { $counted->each($work, %runs) } // do { warn "$which: $name: $@"; undef };
    }
    $counted->stop;
    return \%cost;
}

sub must {
    my ($client, $request) = @_;
    my ($status, @request) = @$request;
    my $got = $client->get(@request);
    die "$request[0]: $got instead of $status\n" if $got != $status;
    return;
}

# One token is sent so often that every module has seen it: the first sight of others is counted apart.
sub instructions {
    my %cost = map { $_ => count_all($_) } @ALL;
    my $open = $cost{none}{open};
    my @modules = grep { $_ ne 'none' } @ALL;
    printf "an open file: %d instructions; added to that:\n\n", $open;
    printf "| %-26s |" . (' %16s |' x @modules) . " %10s | %-6s |\n", 'per request', map({ $NAMES{$_} } @modules), 'budget', '';
    print '|' . '-' x 28 . '|' . ('-' x 18 . '|') x @modules . '-' x 12 . '|' . '-' x 8 . "|\n";
    for my $scenario (@SCENARIOS) {
        my ($name, $budget) = @$scenario;
        my %added = map { $_ => defined $cost{$_}{$name} ? $cost{$_}{$name} - ($name eq 'the whole sign-in' ? 2 : 1) * $open : undef } @modules;
        printf "| %-26s |" . (' %16s |' x @modules) . " %10s | %-6s |\n", $name,
            map({ defined $added{$_} ? sprintf '%.0f', $added{$_} : '' } @modules), $budget // '',
            !defined $budget || !defined $added{edxsso} ? '' : $added{edxsso} <= $budget ? 'met' : 'MISSED';
    }
    return;
}

# ---- throughput

sub wrk {
    my ($httpd, $path, $header) = @_;
    my @command = ('wrk', '-t1', '-c16', "-d${seconds}s", ($header ? ('-H', $header) : ()), $httpd->url . $path);
    open my $out, '-|', @command or die "wrk: $!\n";
    my ($rate, $wrong);
    while (my $line = <$out>) {
        $rate = $1 if $line =~ m{^Requests/sec:\s+([\d.]+)};
        $wrong = $line if $line =~ /Non-2xx/;
    }
    die "wrk: $path: $wrong" if $wrong;
    return $rate // die "wrk said nothing for $path\n";
}

sub throughput {
    my %httpd;
    my $backend = EdxSSO::Contest::site('none', $provider)->start;
    my $proxied = sub { 'ProxyPass /app/behind http://127.0.0.1:' . $backend->port . "/open keepalive=On\n"
            . 'ProxyPass /open/behind http://127.0.0.1:' . $backend->port . "/open keepalive=On\n" };
    my @runs = (['httpd alone', 'none', '/open/index.txt']);
    push @runs, ["$NAMES{$_}, signed in", $_, '/app/index.txt'] for grep { /openidc|edxsso/ } @ALL;
    push @runs, ['httpd alone, proxied', 'none', '/open/behind/index.txt'];
    push @runs, ["$NAMES{$_}, signed in, proxied", $_, '/app/behind/index.txt'] for grep { /openidc|edxsso/ } @ALL;
    my %cookie;
    for my $which (grep { $_ ne 'oauth2' } @ALL) {
        $httpd{$which} = EdxSSO::Contest::site($which, $provider, more => "MaxKeepAliveRequests 0\n" . $proxied->())->start;
        $cookie{$which} = 'Cookie: ' . EdxSSO::Contest::sign_in($httpd{$which}) if $which ne 'none';
    }
    my %rates;
    for (1 .. $rounds) {
        push @{ $rates{ $_->[0] } }, wrk($httpd{ $_->[1] }, $_->[2], $cookie{ $_->[1] }) for @runs;
    }
    my %median = map { my @sorted = sort { $a <=> $b } @{ $rates{$_} }; ($_ => $sorted[$#sorted / 2]) } keys %rates;
    print "medians of $rounds rounds; a ratio is to httpd alone in the same row of rounds\n";
    for my $run (@runs) {
        my $base = $median{ $run->[0] =~ /proxied/ ? 'httpd alone, proxied' : 'httpd alone' };
        my $budget = $run->[0] !~ /^this/ ? '' : $run->[0] =~ /proxied/ ? '>= 0.97' : '>= 0.92';
        printf "%-40s %9.0f a second %6.2f %s\n", $run->[0], $median{ $run->[0] }, $median{ $run->[0] } / $base, $budget;
    }
    return;
}

my %parts = (instructions => \&instructions, throughput => \&throughput);
my $part = $parts{ $ARGV[0] // '' } or die "instructions or throughput\n";
print "== $ARGV[0]\n";
$part->();
