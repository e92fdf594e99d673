#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
# The limits that a machine checks; docs/architecture.md says why they are there. One subtest a
# rule. Objects are looked at in BUILD_DIR (default: here), and are not when they are not there.
use strict;
use warnings;
use File::Find ();
use FindBin;
use Test::More;

chdir "$FindBin::Bin/.." or die "$!\n";
my $build = $ENV{BUILD_DIR} || '.';

my %LIMIT = (file => 500, function => 60, parameters => 6, columns => 100);

# A file may include headers of its own layer and of those below: the longest name that begins it counts.
my @LAYERS = (
    [qw(base clock fault metrics)],
    [qw(text url cookie shape json secret seal jose jwk jwe store shm redis language template)],
    [qw(value config options pages)],
    [qw(provider kind metadata document id_token aggregate par token client_auth http policy access introspect)],
    [qw(session revoke claims export idmap graph user verified require claim)],
    [qw(answer flow replay step_up identity own_keys own_session refresh pass jar page login choice callback bearer logout photo metrics_text doctor credential resource
        incomplete mapping)],
);
my $GLUE = @LAYERS;

# Who may include a library's headers (patterns). openssl/crypto.h is for everyone: secrets are cleansed
# where they were made.
my %LIBRARY = (
    'cjose/' => qr/^sso_(jose|jwk)/,
    'curl/' => qr/^sso_http/,
    'openssl/(?!crypto\.h)' => qr/^sso_(seal|secret|jose|jwk|jwe|client_auth|redis|http_cause)/,
    'hiredis' => qr/^sso_(store_)?redis/,
);
my $HTTPD = qr/^(httpd|http_\w+|ap_\w+|util_\w+|mod_\w+|scoreboard|mpm_common)\.h$/;

my $BANNED = qr/\b(v?sprintf|strcpy|strcat|strtok|atoi|atol|s?rand|gmtime|localtime|gets)\s*\(/;
my $RAW_MEMORY = qr/\b(malloc|calloc|realloc|free|strdup)\s*\(/;

# Mutable data in the core: object, symbol, why it cannot be otherwise.
my @MUTABLE = (
    ['sso_http_kept.o', 'process', 'connections to providers are kept between requests, so by the process'],
);

# ---- what there is to look at

my @files;
File::Find::find({
    no_chdir => 1,
    wanted => sub {
        if (-d && m{/(\.git|\.deps|\.libs|autom4te\.cache|aux|logs|state|node_modules|__pycache__|build-[^/]*)$}) {
            $File::Find::prune = 1;
            return;
        }
        return unless -f && !-l;
        (my $name = $_) =~ s{^\./}{};
        push @files, $name unless -e "$name.in";
    },
}, '.');
@files = sort @files;
my @c = grep { m{^(src/|t/)?[^/]*\.[ch]$} || m{^t/.*\.[ch]$} } @files;
my @core = grep { m{^src/sso_.*\.[ch]$} } @c;

sub slurp {
    my ($file) = @_;
    open my $in, '<:encoding(UTF-8)', $file or die "$file: $!\n";
    local $/;
    return <$in> // '';
}

# C without comments and, unless asked to keep them, without what strings say; lines stay lines.
my %stripped;
sub code {
    my ($file, $keep_strings) = @_;
    return $stripped{ $keep_strings ? 1 : 0 }{$file} //= do {
        my $text = slurp($file);
        my $blank = sub { (my $t = $_[0]) =~ s/[^\n]//g; $t };
        $text =~ s{(/\*.*?\*/)|("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')}
                  {defined $1 ? $blank->($1) : $keep_strings ? $2 : '""'}gse;
        $text;
    };
}

# Each hit of a pattern in a text as "file:line: what"
sub hits {
    my ($file, $text, $pattern) = @_;
    my @found;
    while ($text =~ /$pattern/g) {
        my $line = 1 + (substr($text, 0, $-[0]) =~ tr/\n//);
        push @found, "$file:$line: " . ($1 // $&);
    }
    return @found;
}

sub rule {
    my ($name, @faults) = @_;
    subtest $name => sub {
        ok(!@faults, @faults ? scalar(@faults) . ' to put right' : 'none') or diag(join "\n", @faults);
    };
    return;
}

sub basename { (my $name = shift) =~ s{.*/}{}; return $name }

# ---- size

# Definitions in our style: the brace that opens a function, and the one that ends it, are alone in
# the first column.
sub functions {
    my ($file) = @_;
    my ($number, $start, $head, @found) = (0, 0, '');
    for my $line (split /\n/, code($file)) {
        $number++;
        if ($line =~ /^\{/) {
            $start = $number;
        } elsif ($start && $line =~ /^\}/) {
            push @found, { name => $head =~ /(\w+)\s*\(/ ? $1 : '?', head => $head, line => $start,
                lines => $number - $start + 1 };
            ($start, $head) = (0, '');
        } elsif (!$start) {
            $head = $line =~ /^\s*$|[;}]\s*$|^#/ ? '' : "$head $line";
        }
    }
    return @found;
}

sub parameter_count {
    my ($head) = @_;
    my ($list) = $head =~ /\w+\s*(\(.*)/ or return 0;
    my ($depth, $count) = (0, 1);
    for my $char (split //, $list) {
        $depth += $char eq '(' ? 1 : $char eq ')' ? -1 : 0;
        $count++ if $char eq ',' && $depth == 1;
        last if $depth == 0;
    }
    return $count;
}

rule "no C file over $LIMIT{file} lines", map {
    my $lines = () = slurp($_) =~ /\n/g;
    $lines > $LIMIT{file} ? "$_: $lines lines" : ();
} @c;

rule "no function over $LIMIT{function} lines", map {
    my $file = $_;
    map { "$file:$_->{line}: $_->{name}: $_->{lines} lines" } grep { $_->{lines} > $LIMIT{function} } functions($file);
} @c;

rule "no function with over $LIMIT{parameters} parameters", map {
    my $file = $_;
    map { "$file:$_->{line}: $_->{name}" } grep { parameter_count($_->{head}) > $LIMIT{parameters} } functions($file);
} @c;

rule "no line over $LIMIT{columns} columns", map { hits($_, slurp($_), qr/^(.{101,})$/m) } @c;
rule 'no tabs, no blanks at the end of a line', map { hits($_, slurp($_), qr/^(.*?)(?:\t|[ ]+$)/m) } @c;
rule 'comments are /* */', map { hits($_, code($_), qr{(//.*)}) } @c;

# ---- layers

sub layer_of {
    my ($name) = @_;
    return $GLUE if $name =~ /^mod_/;
    my ($rest) = $name =~ /^sso_(\w+)\./ or return;
    my ($best, $length);
    for my $layer (0 .. $#LAYERS) {
        for my $word (@{ $LAYERS[$layer] }) {
            next unless $rest =~ /^\Q$word\E(_|$)/ && length $word > ($length // 0);
            ($best, $length) = ($layer, length $word);
        }
    }
    return $best;
}

my (@upward, @foreign, @unplaced);
for my $file (grep { m{^(src/)?(mod|sso)_} } @c) {
    my $name = basename($file);
    my $own = layer_of($name);
    push @unplaced, "$file: give it a layer in t/lint.t" unless defined $own;
    for my $include (code($file, 1) =~ /^\s*#\s*include\s*[<"]([^>"]+)/mg) {
        my $of = $include =~ /^(sso|mod)_/ ? layer_of($include) : undef;
        $of = undef if $include =~ /^mod_(status|watchdog|auth|proxy|ssl)\.h$/; # httpd's own
        push @upward, "$file includes $include" if defined $of && $of > ($own // 0);
        push @foreign, "$file includes $include: httpd" if $name =~ /^sso_/ && $include =~ $HTTPD && !defined $of;
        for my $library (sort keys %LIBRARY) {
            push @foreign, "$file includes $include"
                if $include =~ /^$library/ && $name !~ $LIBRARY{$library};
        }
    }
}
rule 'every file has its layer', @unplaced;
rule 'no file includes a header of a layer above', @upward;
rule 'libraries are included by those who may', @foreign;

# ---- calls and data

rule 'no banned calls', map { hits($_, code($_), $BANNED) } @c;
rule 'no raw memory in the core', map { hits($_, code($_), $RAW_MEMORY) } @core;

SKIP: {
    my @objects = glob "$build/src/.libs/sso_*.o";
    skip 'no objects here', 1 unless @objects;
    my @found;
    for my $object (@objects) {
        my $name = basename($object);
        for my $line (`objdump -t $object`) {
            my ($type, $section, $symbol) = $line =~ /^[0-9a-f]+ (.{7}) (\S+)\s+[0-9a-f]+\s+(?:\.hidden\s+)?(\S+)/ or next;
            next unless $type =~ /O/ && ($section eq '*COM*' || $section =~ /^\.(t?bss|t?data)/);
            next if $section =~ /^\.data\.rel\.ro/; # const, but for the addresses in it
            next if grep { $_->[0] eq $name && $_->[1] eq $symbol } @MUTABLE;
            push @found, "$name: $symbol in $section";
        }
    }
    rule 'no mutable data in the core', @found;
}

SKIP: {
    my $module = "$build/.libs/mod_auth_edxsso.so";
    skip 'no module here', 1 unless -e $module;
    my @exported = map { (split)[2] // () } `nm -D --defined-only $module`;
    rule 'the module exports its structure only', "@exported" eq 'auth_edxsso_module' ? () : @exported;
}

# ---- messages

# The arguments of a call whose opening parenthesis was just matched.
sub arguments {
    my ($text, $at) = @_;
    my ($depth, @parts) = (1, '');
    while ($depth && $at < length $text) {
        my ($token) = substr($text, $at) =~ /\A("(?:[^"\\]|\\.)*"|.)/s;
        $at += length $token;
        $depth++ if $token eq '(';
        last if $token eq ')' && !--$depth;
        if ($token eq ',' && $depth == 1) { push @parts, '' } else { $parts[-1] .= $token }
    }
    return map { s/^\s+|\s+$//gr } @parts;
}

my (%sites, @not_literal);
for my $file (grep { m{^(src/)?(mod|sso)_.*\.c$} && $_ ne 'src/sso_base.c' } @c) {
    my $text = code($file, 1);
    while ($text =~ /\b(sso_fail|sso_log)\s*\(/g) {
        my $call = $1;
        my $line = 1 + (substr($text, 0, $-[0]) =~ tr/\n//);
        my $number = (arguments($text, $+[0]))[2] // '';
        next if $number =~ /(->|\.)number$/; # of a table's row, found below
        if ($number !~ /^\d+$/) {
            push @not_literal, "$file:$line: $call(..., $number, ...)";
        } elsif ($number > 0 || $call eq 'sso_fail') {
            push @{ $sites{ sprintf 'SSO%04d', $number } }, "$file:$line";
        }
    }
    while ($text =~ /\{[^{}()]*\bSSO_(?:ABSENT|BAD_INPUT|DENIED|UPSTREAM|MISCONFIG|BROKEN)\s*,\s*(\d+)\s*,/g) {
        push @{ $sites{ sprintf 'SSO%04d', $1 } }, "$file:" . (1 + (substr($text, 0, $-[1]) =~ tr/\n//));
    }
    push @{ $sites{$1} }, "$file:" . (1 + (substr($text, 0, $-[0]) =~ tr/\n//)) while $text =~ /\b(SSO\d{4}):/g;
}
rule 'message numbers are written out', @not_literal;
rule 'a message number has one place', map { "$_: @{ $sites{$_} }" } grep { @{ $sites{$_} } > 1 } sort keys %sites;

my $messages = -e 'docs/messages.md' ? slurp('docs/messages.md') : '';
my %documented = map { $_ => 1 } $messages =~ /^[#|\s*`]*(SSO\d{4})\b/mg;
rule 'message numbers are in docs/messages.md', map { "$_ ($sites{$_}[0])" } grep { !$documented{$_} } sort keys %sites;
rule 'docs/messages.md tells of no other', grep { !$sites{$_} } sort keys %documented;

# Each number has a row: what happened in so many words, and what to do.
my @columns;
my @thin = map {
    my @cells = map { s/^\s+|\s+$//gr } split /(?<!\\)\|/, $_ =~ s/^\||\|\s*$//gr;
    @columns = @cells if $cells[0] eq 'number';
    my %said;
    @said{@columns} = @cells;
    $cells[0] !~ /^SSO\d{4}$/ ? ()
        : @cells != @columns ? "$cells[0]: as many cells as the table has columns"
        : ($said{'what happened'} // '') !~ /^(?!As SSO|The same|See ).{12}/ ? "$cells[0]: what happened"
        : length($said{'what to do'} // '') < 6 ? "$cells[0]: what to do" : ();
} grep { /^\|/ } split /\n/, $messages;
rule 'docs/messages.md says of each what happened and what to do', @thin;

# ---- directives

my %directive;
$directive{$_} = 1 for -e 'src/sso_options.def' ? slurp('src/sso_options.def') =~ /^OPTION\(\s*(\w+)/mg : ();
for my $file (grep { /\bmod_.*\.c$/ } @c) {
    $directive{$_} = 1 for code($file, 1) =~ /\bAP_INIT_\w+\s*\(\s*"<?(EdxSSO\w+)"/g;
}
my $manual = -e 'docs/directives.md' ? slurp('docs/directives.md') : '';
my $used = join "\n", map { slurp($_) } grep { m{^(t|conf\.d|demo)/} && $_ ne 't/lint.t' && /\.(t|c|in|conf|pm|load)$/ } @files;
rule 'each directive is in docs/directives.md', grep { $manual !~ /\b$_\b/ } sort keys %directive;
rule 'each directive is in a test or a sample', grep { $used !~ /\b$_\b/ } sort keys %directive;

# ---- every file

my $MINE = qr/\.(c|h|def|pl|pm|t|sh|py|js|am|ac|in|conf)$|^t\/TEST$|^\.ci\/run$|^build\/m4\/edxsso\.m4$/;
my $GENERATED = qr/^(Makefile\.in|t\/conf\/.*\.conf|t\/conf\/apache_test_config\.pm|t\/fuzz\/corpus\/.*)$/;
my @mine = grep { $_ =~ $MINE && ($_ !~ $GENERATED || $_ eq 't/conf/nothing.conf') } @files;
rule 'one SPDX line, the first', map {
    my @lines = split /\n/, slurp($_), -1;
    shift @lines if @lines && $lines[0] =~ /^#!/;
    my @spdx = grep { /SPDX-License-Identifier:/ && !/=~|grep/ } @lines;
    ($lines[0] // '') =~ m{^(#|/\*|//) SPDX-License-Identifier: Apache-2\.0( \*/)?$} && @spdx == 1 ? () : $_;
} @mine;

my $LATER = join '|', 'TO' . 'DO', 'FIX' . 'ME', 'XX' . 'X';
rule 'nothing left for later', map { hits($_, slurp($_), qr/\b($LATER)\b/) } @mine, grep { /\.md$/ } @files;

rule 'scripts are sh', map {
    my $complaint = `sh -n $_ 2>&1`;
    $? ? $complaint : ();
} grep { /\.sh$/ || (/\.cgi$/ && slurp($_) =~ m{\A#!/bin/sh}) } @files;

my $lists = `$^X build/sources.pl --check 2>&1`;
rule 'Makefile.am lists what is there', $? ? split /\n/, $lists : ();

done_testing();
