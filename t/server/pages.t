# SPDX-License-Identifier: Apache-2.0
# Pages: their headers, languages by Accept-Language, templates of EdxSSOPages, and catalogues that are complete.
use strict;
use warnings;
use utf8;
use EdxSSO::Test;
use EdxSSO::Browser;
use EdxSSO::Httpd;
use File::Path ();
use File::Temp ();

alone();
binmode Test::More->builder->$_, ':encoding(UTF-8)' for qw(output failure_output);

sub slurp {
    my ($file) = @_;
    open my $in, '<:encoding(UTF-8)', $file or die "$file: $!\n";
    local $/;
    return scalar <$in>;
}

sub spew {
    my ($file, $text, $layer) = @_;
    open my $out, '>' . ($layer // ':encoding(UTF-8)'), $file or die "$file: $!\n";
    print {$out} $text;
    close $out or die "$file: $!\n";
    return;
}

sub text_of { my $body = $_[0]->body; utf8::decode($body); return $body }

# ---- catalogues

sub catalogue {
    my ($file) = @_;
    my (%text, $english);
    for my $line (split /\n/, slurp($file)) {
        next if $line =~ /^(#|\@|$)/;
        if ($line =~ /^= (.*)/) { $text{$english} = $1 } else { $english = $line }
    }
    return %text;
}

my $english = `$^X build/texts.pl`;
utf8::decode($english);
is(slurp('pages/en.lang'), $english, 'pages/en.lang has every text of src/ and pages/: perl build/texts.pl >pages/en.lang');
my %english = catalogue('pages/en.lang');
cmp_ok(scalar(keys %english), '>', 40, 'there are texts');
my %catalogue = map { $_ => { catalogue("pages/$_.lang") } } qw(de es fr ar);
for my $tag (sort keys %catalogue) {
    my %text = %{ $catalogue{$tag} };
    is(join("\n", grep { !exists $text{$_} } sort keys %english), '', "$tag: lacks none");
    is(join("\n", grep { !exists $english{$_} } sort keys %text), '', "$tag: has no other");
    my $marks = sub { my $n = () = $_[0] =~ /%s/g; $n };
    is(join("\n", grep { $marks->($_) != $marks->($text{$_}) } sort keys %text), '', "$tag: values stand where they stood");
    is(join("\n", grep { $text{$_} eq $_ } sort keys %text), '', "$tag: nothing is English");
    is(join("\n", grep { $text{$_} =~ /  |^ | $/ } sort keys %text), '', "$tag: no stray blanks");
}

# ---- built in

my $SECTIONS = <<'EOT';
EdxSSOClientID      site
EdxSSOClientSecret  site-secret-of-16-characters
EdxSSOURLRoot       http://127.0.0.1:9
EdxSSOJWSHMACKey    0123456789012345678901234567890123456789012345678901234567890123
<EdxSSOProvider lms edx>
    EdxSSODisplayName "Campus & <LMS>"
</EdxSSOProvider>
<EdxSSOProvider other edx>
    EdxSSODisplayName "Library"
</EdxSSOProvider>
EOT

my $pages = File::Temp::tempdir('edxsso-pages-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $pages;
my $httpd = EdxSSO::Httpd->new(config => $SECTIONS);
$httpd->start;
my $browser = EdxSSO::Browser->new(base => $httpd->url);

# an address, its status, and an English text of its page
my @built_in = (
    ['/edxsso/login', 200, 'Choose how you want to sign in.'],
    ['/edxsso/logout', 200, 'You are signed out'],
    ['/edxsso/nothing', 404, 'There is nothing here'],
    ['/edxsso/login?provider=none', 400, 'This link cannot be used'],
    ['/edxsso/callback/lms?code=x&state=y', 400, 'This sign-in cannot be finished'],
    ['/edxsso/login?provider=%3Cscript%3E&next=%22%3E%3Cscript%3E', 400, 'This link cannot be used'],
);
my %direction = (ar => 'rtl');
for my $row (@built_in) {
    my ($url, $status, $text) = @$row;
    for my $tag ('en', sort keys %catalogue) {
        my $answer = $browser->get($url, headers => [['Accept-Language', $tag eq 'en' ? 'it, en-GB;q=0.5' : "$tag-XX, en;q=0.3"]]);
        my $html = text_of($answer);
        my $name = "$tag $url";
        is($answer->status, $status, "$name: $status");
        is($answer->header('Content-Language'), $tag, "$name: Content-Language");
        is($answer->header('Vary'), 'Accept-Language', "$name: Vary");
        is($answer->header('Cache-Control'), 'no-store', "$name: not stored");
        is($answer->header('X-Content-Type-Options'), 'nosniff', "$name: nosniff");
        is($answer->header('Referrer-Policy'), 'no-referrer', "$name: no referrer");
        is($answer->header('Content-Type'), 'text/html; charset=utf-8', "$name: HTML");
        like($answer->header('Content-Security-Policy'),
            qr{^default-src 'none'; style-src 'sha256-[\w+/]{43}='; form-action 'none'; frame-ancestors 'none'; base-uri 'none'$},
            "$name: policy");
        my $direction = $direction{$tag} // 'ltr';
        like($html, qr/<html lang="$tag" dir="$direction">/, "$name: language of the page");
        my $want = $tag eq 'en' ? $text : $catalogue{$tag}{$text};
        like($html, qr/>\Q$want\E</, "$name: its text");
        unlike($html, qr/<script|\{\{/, "$name: no script, no placeholder");
        unlike($html, qr/none=|state=y|site-secret/, "$name: nothing of the request or of the configuration");
        my $mark = $tag eq 'en' ? 'Error id:' : $catalogue{$tag}{'Error id:'};
        my ($id) = $html =~ m{\Q$mark\E <code>([\w-]{8})</code>};
        if ($status == 200) {
            ok(!$id, "$name: no error id");
        } else {
            like($html, qr{<div class="actions">\n<a href="http://localhost:\d+/}, "$name: a way on");
            ok($id && $httpd->log_text =~ /SSO\d{4}: .*\[error id \Q$id\E\]/, "$name: the log has the page's error id");
        }
    }
}
my $choice = text_of($browser->get('/edxsso/login'));
like($choice, qr{<a href="http://localhost:\d+/edxsso/login\?provider=lms[^"]*">Campus &amp; &lt;LMS&gt;</a>}, 'a link for each');
like($choice, qr{<header><p><bdi>localhost:\d+</bdi></p></header>}, 'whose page it is');
is($browser->get('/edxsso/login', headers => [['Accept-Language', 'de,' x 2000]])->status, 200, 'a long list of languages');
my $json = $browser->get('/edxsso/session', as => 'fetch', headers => [['Accept-Language', 'de']]);
is($json->json->{message}, 'You have to sign in to see this.', 'scripts get English');
ok(!defined $json->header('Content-Language'), 'and are told of no language');

# ---- of the site's own

spew("$pages/error.html", "<h1>{{title}}</h1>\n{{#paragraphs}}<p>{{paragraph}}</p>{{/paragraphs}}\n"
    . "<p class=\"own\">{{t Call 4711}}</p><a href=\"mailto:help\@example.org?subject={{error_id}}\">x</a>\n");
spew("$pages/style.css", "p { color: #123 }\r\n");
spew("$pages/it.lang", "Call 4711\n= Chiamate il 4711\n\nThere is nothing here\n= Qui non c’è niente\n");
spew("$pages/de.lang", "Library\n= Bibliothek\n\nSign in\n= Einloggen\n");
spew("$pages/.hidden.html", '{{x');
spew("$pages/README", 'anything');
$httpd->configure("EdxSSOPages $pages\n$SECTIONS");
$httpd->graceful;
my $answer;
ok($httpd->wait_until(sub {
    $answer = $browser->get('/edxsso/nothing', headers => [['Accept-Language', 'it']]);
    return $answer->body =~ /4711/;
}), 'a restart reads the folder');
my $html = text_of($answer);
like($html, qr/<html lang="it" dir="ltr">/, 'own language');
like($html, qr{<h1>Qui non c’è niente</h1>}, 'own text');
like($html, qr{<p>This address does not exist[^<]*</p>}, 'what it lacks is English');
like($html, qr{<p class="own">Chiamate il 4711</p>}, 'a text of a template');
like($html, qr{<a href="mailto:help\@example\.org\?subject=[\w-]{8}">}, 'an id in a link');
like($html, qr{<style>\np \{ color: #123 \}\n\n</style>}, 'own style in the layout that is built in');
like($answer->header('Content-Security-Policy'),
    qr{^default-src 'none'; style-src 'self' 'sha256-[\w+/]{43}='; img-src 'self' data:; font-src 'self'; form-action 'none'; frame-ancestors 'none'},
    'images and fonts of this site may be shown');
require Digest::SHA;
my ($style) = $answer->body =~ m{<style>(.*?)</style>}s;
like($answer->header('Content-Security-Policy'), qr/'sha256-\Q@{[ Digest::SHA::sha256_base64($style) ]}\E='/, 'the style is the one that the policy names');
$html = text_of($browser->get('/edxsso/login', headers => [['Accept-Language', 'de']]));
like($html, qr{<h1>Einloggen</h1>.*Wählen Sie}s, 'a language that is built in, with a text of its own');
like($html, qr{>Bibliothek</a>}, "a provider's name translated");
like($httpd->log_text, qr/SSO1278: EdxSSOPages: it\.lang lacks \d+ texts/, 'it is said what a language lacks');

# a mistake does not take the site down: the restart is refused, the old pages go on
spew("$pages/error.html", "<p>{{nothing}}</p>\n");
my ($exit, $output) = EdxSSO::Httpd->config_test("EdxSSOPages $pages\n$SECTIONS");
isnt($exit, 0, 'httpd -t');
like($output, qr{SSO1271: EdxSSOPages: \Q$pages\E: error\.html: line 1: \{\{nothing\}\}: there is no such name}, 'says where');

my @mistakes = (
    ['error.html', '<script>{{title}}</script>', qr/SSO1271: .*line 1: script: this element is not for pages/],
    ['layout.html', "<p>\n<b class={{title}}>", qr/SSO1271: .*layout\.html: line 2: title: the attribute's value needs quotes/],
    ['layout.html', '{{#paragraphs}}', qr/SSO1271: .*section has no end/],
    ['error.html', 'x' x 65537, qr/SSO1273: .*error\.html is over 64 KiB/],
    ['error.html', "caf\xe9", qr/SSO1275: .*error\.html is not UTF-8/, ':raw'],
    ['error.html', "a\0b", qr/SSO1275: .*error\.html is not UTF-8/, ':raw'],
    ['it.lang', "Sign in\n", qr/SSO1274: .*it\.lang: line 2: the last English text has no translation/],
    ['it.lang', "You are signed in as %s.\n= Ciao\n", qr/SSO1274: .*it\.lang: line 2: %s has to stand/],
    ['style.css', 'p { } </style><p>', qr/SSO1271: .*tag, a quote or a comment is still open/],
);
for my $row (@mistakes) {
    my ($file, $text, $complaint, $layer) = @$row;
    my $dir = File::Temp::tempdir('edxsso-pages-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    spew("$dir/$file", $text, $layer);
    ($exit, $output) = EdxSSO::Httpd->config_test("EdxSSOPages $dir\n$SECTIONS");
    ok($exit != 0 && $output =~ $complaint, "$file: $complaint") or diag($output);
}
for my $row (
    [sub { mkdir "$_[0]/error.html" }, qr/SSO1272: .*error\.html is not a regular file/, 'a folder'],
    [sub { symlink 'nowhere', "$_[0]/style.css" }, qr/SSO1270: .*style\.css cannot be read: No such file/, 'a link that leads nowhere'],
    [sub { spew("$_[0]/it.lang", ''); chmod 0, "$_[0]/it.lang" }, qr/SSO1270: .*it\.lang cannot be read: Permission denied/, 'rights'],
    [sub { rmdir $_[0] }, qr/SSO1277: .*cannot be read: No such file/, 'no folder'],
) {
    my ($make, $complaint, $name) = @$row;
    my $dir = File::Temp::tempdir('edxsso-pages-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    $make->($dir);
    ($exit, $output) = EdxSSO::Httpd->config_test("EdxSSOPages $dir\n$SECTIONS");
    ok($exit != 0 && $output =~ $complaint, "$name: $complaint") or diag($output);
}
my $dir = File::Temp::tempdir('edxsso-pages-XXXXXX', TMPDIR => 1, CLEANUP => 1);
spew("$dir/eror.html", '{{x');
($exit, $output) = EdxSSO::Httpd->config_test("EdxSSOPages $dir\n$SECTIONS");
ok($exit == 0 && $output =~ /SSO1276: .*eror\.html is not a name/, 'a name that nothing reads') or diag($output);
# all that is shipped, taken as it is
($exit, $output) = EdxSSO::Httpd->config_test("EdxSSOPages " . Cwd::getcwd() . "/pages\n$SECTIONS");
ok($exit == 0 && $output !~ /SSO12/, 'the files of pages/ as they are') or diag($output);
$httpd->stop;
done_testing();
