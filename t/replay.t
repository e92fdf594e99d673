#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
# Each fuzz target once over its corpus: t/fuzz/fuzz_X.c over t/fuzz/corpus/X. REPLAY_WITH: a command
# to run them under.
use strict;
use warnings;
use FindBin;
use Test::More;

chdir "$FindBin::Bin/.." or die "$!\n";
my $build = $ENV{BUILD_DIR} || '.';
my @with = split ' ', $ENV{REPLAY_WITH} || '';

my @targets = map { m{/fuzz_(\w+)\.c$} } glob 't/fuzz/fuzz_*.c';
plan skip_all => 'no fuzz targets' unless @targets;
for my $target (@targets) {
    my $program = "$build/t/fuzz/fuzz_$target";
    my @corpus = grep { -d } "t/fuzz/corpus/$target";
    subtest $target => sub {
        ok(scalar(@corpus), "there is a corpus: t/fuzz/corpus/$target");
        my $output = -x $program ? qx(@with $program @corpus 2>&1) : "$program is not built: make check-programs\n";
        ok(-x $program && $? == 0, 'it goes through') or diag($output);
    };
}
done_testing();
