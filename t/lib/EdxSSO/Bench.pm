# SPDX-License-Identifier: Apache-2.0
package EdxSSO::Bench;
# What the parts of make bench share: rows with a budget, and how they are measured.
#
#   head('sessions');                            # a table: what, the peer, this module, the budget, whether it is met
#   row('connections', both(sub { my ($which) = @_; ... }), '<= 2');
#   row('alive; slowest', $peer, '40; 0.02 s', '>= 40; <= 0.5 s');  # each number against its own limit
#   my %rates = rounds([name => sub { ...; return $number }], ...);   # all of them by turns, several times
#   my $rate = wrk($httpd, '/app/index.txt', "Cookie: $cookies", clients => 64);
#   cpu($httpd); pss($httpd);                    # of its processes, so far: seconds, bytes
use strict;
use warnings;
use Exporter 'import';
use EdxSSO::Contest;
our @EXPORT = qw(head row median rounds wrk cpu pss modules both);

my $ROUNDS = $ENV{BENCH_ROUNDS} || 5;
my $SECONDS = $ENV{BENCH_SECONDS} || 3;
my $FORMAT = "| %-58s | %-20s | %-20s | %-18s | %-6s |\n";

# Those of the two that are there, the peer first
sub modules { return grep { EdxSSO::Contest::there($_) } qw(openidc edxsso) }

# A figure of each of them, as row() wants it
sub both { my ($measure) = @_; my %found = map { $_ => $measure->($_) } modules(); return @found{qw(openidc edxsso)} }

sub head {
    my ($part) = @_;
    printf "\n$FORMAT", $part, 'mod_auth_openidc', 'this module', 'budget', '';
    print '|', map({ '-' x ($_ + 2) . '|' } 58, 20, 20, 18, 6), "\n";
    return;
}

sub row {
    my ($what, $peer, $mine, $budget) = @_;
    printf $FORMAT, $what, map({ $_ // '' } $peer, $mine, $budget), defined $mine && $budget ? _verdict($mine, $budget) : '';
    return;
}

sub _verdict {
    my ($mine, $budget) = @_;
    my @values = split /;/, $mine;
    for my $limit (split /;/, $budget) {
        my ($sign, $most) = $limit =~ /(<=|>=|=)\s*([\d.]+)/ or die "no limit: $limit\n";
        my ($value) = (shift @values // '') =~ /(-?[\d.]+)/;
        return 'MISSED' if !defined $value || ($sign eq '<=' ? $value > $most : $sign eq '>=' ? $value < $most : $value != $most);
    }
    return 'met';
}

sub median { my @sorted = sort { $a <=> $b } @_; return $sorted[$#sorted / 2] }

# Whatever else the machine does meets all of them: each as a list of one number a round.
sub rounds {
    my (@runs) = @_;
    my %found;
    for my $round (1 .. $ROUNDS) {
        push @{ $found{ $_->[0] } }, $_->[1]->() for $round % 2 ? @runs : reverse @runs;
    }
    return %found;
}

# Requests a second; dies of an answer that is not 2xx. `counted` has the number of all.
sub wrk {
    my ($httpd, $path, $header, %option) = @_;
    my $seconds = $option{seconds} // $SECONDS;
    my @command = ('wrk', '-t' . ($option{threads} // 1), '-c' . ($option{clients} // 16), "-d${seconds}s",
        ($header ? ('-H', $header) : ()), $httpd->url . $path);
    open my $out, '-|', @command or die "wrk: $!\n";
    my ($rate, $wrong, $count);
    while (my $line = <$out>) {
        $rate = $1 if $line =~ m{^Requests/sec:\s+([\d.]+)};
        $count = $1 if $line =~ m{^\s*(\d+) requests in};
        $wrong = $line if $line =~ /Non-2xx/;
    }
    close $out;
    die "wrk: $path: $wrong" if $wrong;
    die "wrk said nothing for $path\n" if !defined $rate;
    return $option{counted} ? $count : $rate;
}

# What the scheduler has given to all threads of httpd's children
sub cpu {
    my ($httpd) = @_;
    my $sum = 0;
    for my $file (map { glob "/proc/$_/task/*/schedstat" } $httpd->children) {
        open my $in, '<', $file or next;
        $sum += $1 / 1e9 if (<$in> // '') =~ /^(\d+)/;
    }
    return $sum;
}

# What processes share is counted once. 'own': without programs, which other processes of the machine may share.
sub pss {
    my ($httpd, $own) = @_;
    my ($sum, $program) = (0, 0);
    for my $file (map { "/proc/$_/smaps" } $httpd->pid, $httpd->children) {
        open my $in, '<', $file or next;
        while (<$in>) {
            $program = /\.so\b|\/(?:apache2|httpd)$/ ? 1 : 0 if /^[0-9a-f]+-[0-9a-f]+ /;
            $sum += $1 * 1024 if /^Pss:\s+(\d+)/ && !($own && $program);
        }
    }
    return $sum;
}

1;
