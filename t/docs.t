#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
# The documentation is true: each configuration in it is one that httpd takes, each directive has its
# part with the default and limits of the code, each link leads somewhere.
#
# An example is a block that begins with ```apache. ```apache provider stands in a provider's section,
# ```apache place in a <Location>; the rest is supplied here. What an example names of the file system
# is replaced by files that are there. A warning of the module's is fine if the example names its number.
use strict;
use warnings;
use File::Temp ();
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use EdxSSO::Httpd;

chdir "$FindBin::Bin/.." or die "$!\n";
plan skip_all => EdxSSO::Httpd::module_so() . ' is not there: run make first' unless -e EdxSSO::Httpd::module_so();

# a public key of 2048 bits; nobody has its private half
my $MODULUS = join '',
    'rlTv7GEZPY_DFbH5LWQLlfdZ8Ibo9zum2noVaHx5ZcXpKGiuod-',
    'BE3gNU7ZY29Sk7DqVhJrSzqbXlY7TM1ym61j8sv3cGMKpW9ZelnTn9AqxzVxmWSd-FJbMSpfpP6FQ8tQTSc1MN9v',
    'OYsX3UhraQIa5NkswjG6GsjKgMAuRkX1QJJGE_crIQ7SvK5Bo521X2h4fD39mWtGWJ0VUJ2nzX8iIt3jPmjPqRj8',
    'bl4_BuRuaQNY2za7k2OI8TprrdAYa9p3loSxuNdpnVmE1VfHXhz0BjMIi-9IE2dVW68bbTXZLJyNLCn-',
    'LYrDR7caJlrt8kl6yAFfnGwjQQD4HEhyr7w';
my $JWKS = qq({"keys":[{"kty":"RSA","kid":"docs","e":"AQAB","n":"$MODULUS"}]});
my %FILE = (
    'lms.secret' => "the-secret-of-the-client\n",
    'lms-jwks.json' => $JWKS,
    'lms.hmac' => 'h' x 64,
    'site.secret' => 's' x 43,
    'site.secret.old' => 'o' x 43,
    'ca.pem' => '',
    (map { ("$_.secret" => "the-secret-of-the-client\n") } qw(entra keycloak google campus)),
);
my $PROVIDER = <<'EOT';
    EdxSSOURLRoot       https://courses.example.org
    EdxSSOClientID      studio-sso
    EdxSSOClientSecret  file:/etc/edxsso/lms.secret
    EdxSSOJWKS          file:/etc/edxsso/lms-jwks.json
EOT
my %FRAME = (
    '' => ['', ''],
    provider => ["<EdxSSOProvider lms edx>\n$PROVIDER", "</EdxSSOProvider>\n"],
    place => ["<Location \"/studio\">\nAuthType edxsso\nRequire valid-user\n", "</Location>\n"],
);

sub slurp {
    my ($file) = @_;
    open my $in, '<:encoding(UTF-8)', $file or die "$file: $!\n";
    local $/;
    return scalar <$in>;
}

my $dir = File::Temp::tempdir('edxsso-docs-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $dir;
mkdir "$dir/pages" or die "$dir/pages: $!\n";
for my $name (keys %FILE) {
    open my $out, '>', "$dir/$name" or die "$dir/$name: $!\n";
    print {$out} $FILE{$name};
    close $out or die "$dir/$name: $!\n";
    chmod 0600, "$dir/$name";
}
my $openssl = `openssl req -x509 -newkey rsa:2048 -nodes -keyout $dir/site.key -out $dir/site.pem -subj /CN=site 2>&1`;
die "openssl: $openssl\n" if $?;
chmod 0600, "$dir/site.key";

# ---- examples

sub try_example {
    my ($name, $kind, $text) = @_;
    my ($before, $after) = @{ $FRAME{$kind} // die "$name: '$kind' is none of: @{[ sort keys %FRAME ]}\n" };
    my $config = ($text =~ /^LoadModule/m ? '' : "ServerName https://studio.example.org\n") . "$before$text$after";
    $config = "<EdxSSOProvider lms edx>\n$PROVIDER</EdxSSOProvider>\n$config" unless $config =~ /<EdxSSOProvider/;
    my $file = "$dir/";
    $config =~ s{/etc/edxsso/}{$file}g;
    $config =~ s{^(LoadModule\s+auth_edxsso_module\s+).*}{$1 . EdxSSO::Httpd::module_so()}me;
    my ($exit, $output) = EdxSSO::Httpd->config_test($config, without_module => $config =~ /^LoadModule/m ? 1 : 0,
        modules => [qw(authz_host rewrite ssl cgid proxy_wstunnel proxy_fcgi unique_id)],
        env => { LMS_SECRET => 'the-secret-of-the-client' });
    my @unannounced = grep { $text !~ /$_/ } $output =~ /\b(SSO\d{4}):/g;
    ok($exit == 0 && $output =~ /^Syntax OK$/m && !@unannounced, $name) or diag("$config\n$output");
    return;
}

my @documents = ('README', sort glob 'docs/*.md docs/*/*.md');
my %examples;
for my $document (@documents) {
    my $text = slurp($document);
    while ($text =~ /^```apache[ ]?(\w*)\n(.*?)^```$/msg) {
        my ($kind, $example) = ($1, $2);
        my $line = 1 + (substr($text, 0, $-[0]) =~ tr/\n//);
        $examples{$document} .= $example;
        try_example("$document:$line", $kind, $example);
    }
}

# ---- each directive

my $manual = slurp('docs/directives.md');
my %part = $manual =~ /^### (\S+)\n(.*?)(?=^##|\z)/msg;
for my $line (grep { /^OPTION\(/ } split /\n/, slurp('src/sso_options.def')) {
    my ($name, $scope, $kind, undef, $preset, $limits) = $line =~ /^OPTION\((\w+),\s*(\w+),\s*(\w+),\s*(\w+),\s*("[^"]*"|NULL),\s*("[^"]*"|NULL),/
        or die "sso_options.def: $line\n";
    s/^"|"$//g for $preset, $limits;
    my $text = $part{$name} // '';
    my ($syntax) = $text =~ /\*\*Syntax:\*\* (.*?)\*\*/s;
    my ($default) = $text =~ /\*\*Default:\*\* (.*?)\*\*/s;
    my ($context) = $text =~ /\*\*Context:\*\* (\w+)/;
    my @wrong = grep { $_ } (
        ($syntax // '') !~ /^`$name / && 'no syntax',
        ($default // '') !~ /\S/ && 'no default, or none that is said',
        $text !~ /\*\*Context:\*\*[^\n]*\n(?:[^\n]+\n)*\n+\S/ && 'no word on what it does',
        $examples{'docs/directives.md'} !~ /^\s*$name /m && 'no example',
        ($context // '') ne lc $scope && 'context is not ' . lc $scope,
        $preset ne 'NULL' && ($default // '') !~ /`\Q$preset\E`/ && "default is not $preset",
        $kind =~ /^SPANS?$/ && $text !~ sprintf('`%s` to `%s`', split /\.\./, $limits =~ s/^off\|//r) && "limits are not $limits",
    );
    if ($kind =~ /^(CHOICE|LIST)$/ && $limits ne 'NULL') {
        push @wrong, map { "'$_' is not in its syntax" } grep { ($syntax // '') !~ /(?<![\w-])\Q$_\E(?![\w-])/ } split /\|/, $limits;
    }
    is("@wrong", '', $name);
}

# ---- guides: what they name is there

{
    my %known = map { $_ => 1 } slurp('src/sso_options.def') =~ /^OPTION\((\w+)/mg, slurp('src/mod_config.c') =~ /"<?(EdxSSO\w+)"/g, 'EdxSSOProvider';
    my $messages = slurp('docs/messages.md');
    for my $guide ('README', glob('docs/guides/*.md'), 'docs/mod_auth_edxsso.8') {
        my $text = slurp($guide);
        my %gone = map { $_ => 1 } grep { !$known{$_} } $text =~ /\b(EdxSSO[A-Z]\w*)/g;
        is(join(' ', sort keys %gone), '', "$guide names directives that there are");
        my %silent = map { $_ => 1 } grep { $messages !~ /$_/ } $text =~ /\b(SSO\d{4})\b/g;
        is(join(' ', sort keys %silent), '', "$guide names messages that there are");
        my @broken;
        while ($text =~ /^```sh\n(.*?)^```$/msg) {
            open my $sh, '|-', 'sh -n' or die "sh: $!\n";
            print {$sh} $1;
            push @broken, $1 unless close $sh;
        }
        is("@broken", '', "$guide: commands that a shell reads");
    }
}

# ---- links within the documentation

sub anchors {
    my ($text) = @_;
    my %found;
    for my $heading ($text =~ /^#+ (.*)$/mg) {
        my $anchor = lc $heading;
        $anchor =~ s/[^\w\- ]//g;
        $anchor =~ tr/ /-/;
        $found{$anchor} = 1;
    }
    return \%found;
}

for my $document (@documents) {
    my $text = slurp($document);
    $text =~ s/^```.*?^```$//msg;
    my ($folder) = $document =~ m{^(.*/)};
    my @broken;
    for my $link ($text =~ /\]\((?!https?:)([^)\s]+)\)/g) {
        my ($file, $anchor) = $link =~ /^([^#]*)#?(.*)$/;
        my $path = $file eq '' ? $document : ($folder // '') . $file;
        push @broken, $link
            if !-e $path || ($anchor ne '' && !anchors(slurp($path))->{$anchor});
    }
    is("@broken", '', "links of $document");
}
done_testing();
