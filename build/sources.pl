#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
# Bring the lists of files in Makefile.am up to date with what is in the folders:
#
#   perl build/sources.pl           rewrite the lists
#   perl build/sources.pl --check   say what differs, change nothing; exit code 1 if something does
use strict;
use warnings;
use FindBin;
chdir "$FindBin::Bin/.." or die "$!\n";

my $check = @ARGV && $ARGV[0] eq '--check';

sub lines_for {
    my ($variable, @globs) = @_;
    my @lines;
    for my $file (sort grep { !/\.l?o$/ } map { glob } @globs) {
        if ($variable ne 'check_PROGRAMS') {
            push @lines, "$variable += $file";
        } elsif ($file =~ m{^(.*/fuzz_\w+)\.c$}) {
            (my $name = $1) =~ tr{/.-}{_};
            push @lines, "$variable += $1", "${name}_SOURCES = $file t/fuzz/replay.c";
        } elsif ($file =~ m{^(.*)\.c$}) {
            push @lines, "$variable += $1";
        }
    }
    return map { "$_\n" } @lines;
}

open my $in, '<', 'Makefile.am' or die "Makefile.am: $!\n";
my (@out, @was, @want, $inside);
while (my $line = <$in>) {
    if ($line =~ /^# sources: (.*)/) {
        my @wanted = lines_for(split ' ', $1);
        push @want, @wanted;
        push @out, $line, @wanted;
        $inside = 1;
    } elsif ($line =~ /^# end of sources/) {
        push @out, $line;
        $inside = 0;
    } elsif ($inside) {
        push @was, $line;
    } else {
        push @out, $line;
    }
}
close $in;

my %was = map { $_ => 1 } @was;
my %want = map { $_ => 1 } @want;
my @lacks = grep { !$was{$_} } @want;
my @has = grep { !$want{$_} } @was;
print "Makefile.am lacks:  $_" for @lacks;
print "Makefile.am has a line without a file:  $_" for @has;
exit((@lacks || @has) ? 1 : 0) if $check;

if (@lacks || @has) {
    open my $to, '>', 'Makefile.am.new' or die "Makefile.am.new: $!\n";
    print {$to} @out;
    close $to or die "Makefile.am.new: $!\n";
    rename 'Makefile.am.new', 'Makefile.am' or die "$!\n";
}
