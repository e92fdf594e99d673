#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
# The files of pages/ as C: perl build/pages.pl FILE ... >page_files.inc
use strict;
use warnings;

print "/* Made by build/pages.pl. */\n";
my @names;
for my $file (sort @ARGV) {
    (my $name = $file) =~ s{.*/}{};
    open my $in, '<:raw', $file or die "$file: $!\n";
    my $text = do { local $/; <$in> };
    close $in;
    die "$file: has a NUL or a carriage return\n" if $text =~ /[\0\r]/;
    # the licence line of a file is not for browsers
    $text =~ s{\A(?:<!--[^\n]*SPDX[^\n]*-->|/\*[^\n]*SPDX[^\n]*\*/|#[^\n]*SPDX[^\n]*)\n}{};
    my $bytes = join(',', unpack('C*', $text), 0);
    $bytes =~ s/(.{90}\d*,)/$1\n/g;
    printf "static const unsigned char file_%d[] = {\n%s\n};\n", scalar @names, $bytes;
    push @names, $name;
}
print "static const file_t files[] = {\n", (map { qq(    { "$names[$_]", file_$_ },\n) } 0 .. $#names), "};\n";
