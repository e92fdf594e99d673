#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
# Every text that people see, as the English catalogue, which is what translators start from:
#
#   perl build/texts.pl >pages/en.lang
#
# Texts are SSO_T("...") in src/ and {{t ...}} in pages/. t/pages.t compares.
use strict;
use warnings;
use FindBin;

chdir "$FindBin::Bin/.." or die "$!\n";

sub slurp {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    local $/;
    return <$in>;
}

my (@texts, %seen);
sub take {
    my ($text) = @_;
    push @texts, $text unless $seen{$text}++;
    return;
}

for my $file (sort glob 'src/*.[ch]') {
    (my $code = slurp($file)) =~ s{/\*.*?\*/}{}gs;
    while ($code =~ /\bSSO_T\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\)/g) {
        my $text = join '', $1 =~ /"((?:[^"\\]|\\.)*)"/g;
        $text =~ s/\\"/"/g;
        take($_) for split /\\n/, $text; # a paragraph each
    }
}
for my $file (sort glob 'pages/*.html') {
    my $html = slurp($file);
    take($1) while $html =~ /\{\{\s*t\s+(.*?)\s*\}\}/g;
}

print '# SPDX', "-License-Identifier: Apache-2.0\n", <<'END';
# Every text of the pages: a line in English, and after "= " what is shown for it. To add a language copy this
# file to LANGUAGE.lang (fr.lang, pt-BR.lang) in the folder of EdxSSOPages and translate what is behind "= ".
# %s is where a value goes. "@direction rtl" in a line of its own is for languages that are written from right to left.
END
print "\n$_\n= $_\n" for @texts;
