#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
# What a request costs, by callgrind: this module beside its peers as Debian packages them, same httpd, same
# provider, same claims. A part of make bench; t/bench/run.sh calls it.
use strict;
use warnings;
use EdxSSO::Callgrind;
use EdxSSO::Contest;
use EdxSSO::Servers;

my $dir = $ENV{BENCH_DIR} || '/tmp';
my @ALL = grep { EdxSSO::Contest::there($_) } qw(none openidc oauth2 edxsso);
my %NAMES = (none => 'httpd alone', openidc => 'mod_auth_openidc', oauth2 => 'mod_oauth2', edxsso => 'this module');
my $servers = EdxSSO::Servers->new(logs => $dir);
my $provider = EdxSSO::Contest::provider($servers);
my $tiny = $servers->start("$dir/backend");
my $proxy = join '', map { "ProxyPass /$_/tiny $tiny keepalive=On\n" } qw(app open);
$| = 1;

my $FIRST_SIGHT = 1.15; # as a multiple of what OpenSSL alone needs to verify a token in the same run

# what, budget, whether a module can do it, and how: ['status', 'path', header lines ...] or a sub
my @SCENARIOS = (
    ['a place without sign-in', 1_500, qr/./, sub { [200, '/open/index.txt'] }],
    ['signed in', 25_000, qr/openidc|edxsso/, sub { [200, '/app/index.txt', "Cookie: $_[0]{cookies}"] }],
    ['signed in, proxied', undef, qr/openidc|edxsso/, sub { [200, '/app/tiny/index.txt', "Cookie: $_[0]{cookies}"] }, base => 'proxied'],
    ['bearer token, seen before', 25_000, qr/openidc|oauth2|edxsso/, sub { [200, '/api/index.txt', "Authorization: Bearer $_[0]{token}"] }],
    ['bearer token, first sight', undef, qr/openidc|oauth2|edxsso/,
        sub { [200, '/api/index.txt', 'Authorization: Bearer ' . shift @{ $_[0]{tokens} }] }, short => 10, long => 40, warm => 4],
    ['sent to sign in', 60_000, qr/openidc|edxsso/, sub { [302, '/app/index.txt'] }],
    ['the whole sign-in', 1_500_000, qr/openidc|edxsso/, undef, short => 5, long => 25, warm => 3],
);

sub count_all {
    my ($which) = @_;
    my $httpd = EdxSSO::Contest::site($which, $provider,
        more => "StartServers 1\nServerLimit 1\nMaxRequestWorkers 16\n$proxy" . EdxSSO::Callgrind::mark_lines());
    my $counted = EdxSSO::Callgrind->start($httpd);
    my %with = (token => EdxSSO::Contest::token(0), tokens => [map { EdxSSO::Contest::token($_) } 1 .. 60]);
    my %cost = map { my ($name, $path) = @$_; ($name => $counted->each(sub { must($counted->client, [200, $path]) })) }
        ['open', '/open/index.txt'], ['proxied', '/open/tiny/index.txt'];
    $with{cookies} = EdxSSO::Contest::sign_in($httpd) if $which =~ /openidc|edxsso/;
    for my $scenario (@SCENARIOS) {
        my ($name, undef, $whom, $request, %runs) = @$scenario;
        next if $which eq 'none' || $which !~ $whom;
        my $work = $request ? sub { must($counted->client, $request->(\%with)) }
            : sub { EdxSSO::Contest::sign_in_by($counted->client) };
        $cost{$name} = eval { $counted->each($work, %runs) } // do { warn "$which: $name: $@"; undef };
        # whose work is all OpenSSL's
        $cost{allowed}{$name} = eval { $FIRST_SIGHT * $counted->within_call('cjose_jws_verify') / $runs{long} }
            if $which eq 'edxsso' && $name =~ /first sight/;
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
    my %open = %{ $cost{none} };
    my @modules = grep { $_ ne 'none' } @ALL;
    printf "an open file: %d instructions, proxied to a tiny backend %d; added to that:\n\n", @open{qw(open proxied)};
    printf "| %-26s |" . (' %16s |' x @modules) . " %10s | %-6s |\n", 'per request', map({ $NAMES{$_} } @modules), 'budget', '';
    print '|' . '-' x 28 . '|' . ('-' x 18 . '|') x @modules . '-' x 12 . '|' . '-' x 8 . "|\n";
    for my $scenario (@SCENARIOS) {
        my ($name, $budget, undef, undef, %how) = @$scenario;
        my $open = $open{ $how{base} // 'open' };
        $budget //= $cost{edxsso}{allowed}{$name};
        my %added = map { $_ => defined $cost{$_}{$name} ? $cost{$_}{$name} - ($name eq 'the whole sign-in' ? 2 : 1) * $open : undef } @modules;
        printf "| %-26s |" . (' %16s |' x @modules) . " %10s | %-6s |\n", $name,
            map({ defined $added{$_} ? sprintf '%.0f', $added{$_} : '' } @modules), defined $budget ? sprintf '%.0f', $budget : '',
            !defined $budget || !defined $added{edxsso} ? '' : $added{edxsso} <= $budget ? 'met' : 'MISSED';
    }
    return;
}

print "== instructions\n";
instructions();
