# SPDX-License-Identifier: Apache-2.0
# EdxSSOPreservePOST: a form waits until its sender has signed in, and reaches the app as the bytes it was, once.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Pair;
use EdxSSO::SignIn;
use EdxSSO::Site;
alone();
own_echo();

own_lms();
lms_reset();
my $pair = EdxSSO::Pair->start(without_redis => 1, more => EdxSSO::Httpd::load_lines('rewrite') . <<"END");
<Location /desk>
    ProxyPass $ENV{ECHO_ROOT}/desk
    AuthType edxsso
    EdxSSOUse op
    EdxSSOPreservePOST on
    Require valid-user
</Location>
<Location /raw>
    ProxyPass $ENV{ECHO_ROOT}/raw nocanon
    AuthType edxsso
    EdxSSOPreservePOST on
    Require valid-user
</Location>
<Directory \@DIR\@/htdocs/front>
    AuthType edxsso
    EdxSSOUse op
    EdxSSOPreservePOST on
    Require valid-user
    RewriteEngine On
    RewriteRule ^within\$ /desk/within [L]
    RewriteRule ^plain\$ /plain/in [L]
    ErrorDocument 404 /plain/error
</Directory>
<Location /plain>
    ProxyPass $ENV{ECHO_ROOT}/plain
    AuthType edxsso
    EdxSSOUse op
    Require valid-user
</Location>
END
my $root = $pair->root;
my $FORM = 'application/x-www-form-urlencoded';
my @SAME = (['Sec-Fetch-Site', 'same-origin'], ['Origin', $root]);
sub visitor { return EdxSSO::Browser->new(base => $root) }

# A form's POST; type and headers may be others. What came back.
sub posts {
    my ($browser, $path, $body, %more) = @_;
    return $browser->request(POST => $path, body => $body,
        headers => [['Content-Type', $more{type} // $FORM], @{ $more{headers} // \@SAME }]);
}
# As far as the page with the button.
sub page_after {
    my ($browser, $answer) = @_;
    return $browser->follow($answer);
}
sub button {
    my ($page) = @_;
    my ($action) = $page->body =~ /<form[^>]*method="post"[^>]*action="([^"]+)"/ or return;
    $action =~ s/&amp;/&/g;
    return $action;
}
sub press { my ($browser, $action, %more) = @_; return posts($browser, $action, '', %more) }

# what the app saw: request line, headers, body
sub saw { my ($answer) = @_; my ($head, $body) = split /\n\n/, $answer->body, 2; my ($line, @headers) = split /\n/, $head; return ($line, join("\n", @headers), $body) }

# ---- forms, byte for byte
my $multipart = join "\r\n", '--b0undary', 'Content-Disposition: form-data; name="title"', '', "f\xfcr <b>&amp;", '--b0undary',
    'Content-Disposition: form-data; name="file"; filename="x.bin"', 'Content-Type: application/octet-stream', '',
    join('', map { chr } 0 .. 255) . "\0\0end", '--b0undary--', '';
my @forms = (
    ['a form', $FORM, 'name=Josephine&text=a+b%26c'],
    ['names that repeat, in order', $FORM, 'a=1&b=2&a=3&=&a'],
    ['Latin-1', $FORM, 'n=%E4%F6%FC&_charset_=iso-8859-1'], ['a charset named', "$FORM; charset=ISO-8859-1", "n=\xe4"],
    ['what would be a script', $FORM, 'x=%3Cscript%3Ealert(1)%3C/script%3E&%22%3E%3Cimg=1'],
    ['nothing', $FORM, ''], ['multipart with a file', 'multipart/form-data; boundary=b0undary', $multipart],
    ['64 KiB', $FORM, 'x=' . 'y' x (64 * 1024 - 2)],
);
for my $form (@forms) {
    my ($name, $type, $body) = @$form;
    my $browser = visitor();
    my $count = backend_count();
    my $answer = posts($browser, '/desk/send?to=a&b=%C3%A4', $body, type => $type);
    is($answer->status, 303, "$name: sent to sign in");
    my $page = page_after($browser, $answer);
    is($page->status, 200, "$name: a page after that") or diag($page->body);
    is(backend_count(), $count, "$name: the app has seen nothing so far");
    unlike($page->body, qr/script|alert|Josephine|y{20}/, "$name: the page shows nothing of it");
    like($page->header('Content-Security-Policy'), qr/default-src 'none'/, "$name: and runs nothing");
    my $action = button($page);
    like($action, qr{^\Q$root\E/desk/send\?to=a&b=%C3%A4&edxsso_replay=[\w-]+$}, "$name: a button");
    my ($line, $headers, $seen) = saw(press($browser, $action));
    is($line, 'POST /desk/send?to=a&b=%C3%A4 HTTP/1.1', "$name: the app sees the address as it was");
    ok($seen eq $body, "$name: the bytes") or diag(length($seen) . ' of ' . length $body);
    like($headers, qr/^Content-Type: \Q$type\E$/mi, "$name: their type");
    like($headers, qr/^Content-Length: @{[length $body]}$/mi, "$name: their length");
    unlike($headers, qr/Transfer-Encoding/i, "$name: no other");
    my $again = press($browser, $action);
    is($again->status, 404, "$name: once");
    like($again->body, qr/not there any more/, "$name: and that is said");
    is(backend_count(), $count + 1, "$name: the app has seen it once");
}

# ---- who gets it back
{
    my $browser = visitor();
    my $page = page_after($browser, posts($browser, '/desk/x', 'a=1'));
    my $action = button($page);
    my $thief = $pair->enter;
    is(press($thief, $action)->status, 404, 'another browser, with the id: no');
    my ($id) = $action =~ /edxsso_replay=([\w-]+)/;
    is($thief->get("/edxsso/replay?id=$id")->status, 404, 'nor the page');
    (my $elsewhere = $action) =~ s{/desk/x}{/desk/y};
    is(press($browser, $elsewhere)->status, 404, 'at another address: no');
    is(press($browser, $action, headers => [['Sec-Fetch-Site', 'cross-site'], ['Origin', 'https://evil.test']])->status, 404, 'from another site: no');
    is(press($browser, $action, headers => [['Sec-Fetch-Site', undef], ['Origin', undef], ['Referer', undef]])->status, 404, 'from nowhere: no');
    is($browser->get("/edxsso/replay?id=$id")->status, 200, 'the page can be loaded again');
    my (undef, undef, $seen) = saw(press($browser, $action));
    is($seen, 'a=1', 'and it is still there for whom it is');
    for my $bad ('', 'x', 'zz' . 'A' x 22, '40' . 'A' x 22, 'ff' . 'A' x 22, '00' . 'A' x 22, '00' . 'A' x 5000) {
        is($browser->get("/edxsso/replay?id=$bad")->status, 404, 'id=' . substr $bad, 0, 12);
        is(press($browser, "/desk/x?edxsso_replay=$bad")->status, 404, 'edxsso_replay=' . substr $bad, 0, 12);
    }
    is($browser->get('/edxsso/replay')->status, 404, 'no id');
    for my $bad ('x', 'y' x 5000) { # by somebody who is not signed in: a sign-in like any other
        my $stranger = visitor();
        like($stranger->follow(press($stranger, "/desk/x?edxsso_replay=$bad"))->body, qr{^GET /desk/x HTTP}, 'signed in, and a GET');
    }
    is($browser->get("/desk/x?edxsso_replay=$id")->status, 200, 'a GET is not looked at');
}

# ---- signed out in between: the form waits on
{
    my $browser = visitor();
    my $action = button(page_after($browser, posts($browser, '/desk/x', 'a=2')));
    $browser->get('/edxsso/logout?no_redirect=1', as => 'frame');
    my $answer = press($browser, $action);
    is($answer->status, 303, 'without a session: sign in again');
    my (undef, undef, $seen) = saw(press($browser, button(page_after($browser, $answer))));
    is($seen, 'a=2', 'and then it goes on');
}

# ---- what is not kept
my @others = (
    ['cross-site', $FORM, 'a=1', [['Sec-Fetch-Site', 'cross-site'], ['Origin', 'https://evil.test']], 303],
    ['same-site, not same origin', $FORM, 'a=1', [['Sec-Fetch-Site', 'same-site'], ['Origin', 'https://evil.test']], 303],
    ['an Origin elsewhere', $FORM, 'a=1', [['Sec-Fetch-Site', undef], ['Origin', 'https://evil.test']], 303],
    ['from nowhere', $FORM, 'a=1', [['Sec-Fetch-Site', undef], ['Origin', undef]], 303],
    ['text/plain', 'text/plain', 'a=1', \@SAME, 303], ['JSON', 'application/json', '{}', \@SAME, 303],
    ['almost a form', "${FORM}x", 'a=1', \@SAME, 303],
    ['a form that is packed', $FORM, 'a=1', [@SAME, ['Content-Encoding', 'gzip']], 303],
    ['a byte too large', $FORM, 'x' x (64 * 1024 + 1), \@SAME, 413],
    ['by a script', $FORM, 'a=1', [@SAME, ['Sec-Fetch-Mode', 'cors'], ['Accept', 'application/json']], 401],
);
for my $other (@others) {
    my ($name, $type, $body, $headers, $status) = @$other;
    my $browser = visitor();
    my $answer = posts($browser, '/desk/x', $body, type => $type, headers => $headers);
    is($answer->status, $status, "$name: $status");
    next if $status != 303;
    my $end = $browser->follow($answer);
    like($end->body, qr{^GET /desk/x HTTP}, "$name: a GET afterwards");
}
{
    my $browser = visitor();
    my $end = $browser->follow(posts($browser, '/plain/x', 'a=1'));
    like($end->body, qr{^GET /plain/x HTTP}, 'without EdxSSOPreservePOST: a GET afterwards');
    my $end2 = press($browser, '/plain/x?edxsso_replay=00' . 'A' x 22);
    is($end2->status, 404, 'and nothing of another place is given out');
    is(posts($browser, '/desk/x', 'a=1')->status, 200, 'whoever is signed in posts straight away');
}

# ---- several providers, and a proxy that passes on what came
{
    my $browser = visitor();
    my $choice = $browser->follow(posts($browser, '/raw/%41?q', 'a=3'));
    my ($link) = grep { /provider=lms/ } $choice->body =~ /href="([^"]+)"/g;
    $link =~ s/&amp;/&/g;
    my $page = $browser->follow($browser->get($link));
    my ($line, undef, $seen) = saw(press($browser, button($page)));
    is($seen, 'a=3', 'through the page to choose');
    like($line, qr{^POST /raw/(?:%41|A)\?q HTTP}, 'nocanon: without our parameter too');
}

# ---- a request that httpd makes another one of
mkdir $pair->httpd->dir . '/htdocs/front';
for my $case (['within', '/desk/within'], ['plain', '/plain/in']) {
    my ($from, $to) = @$case;
    my $browser = visitor();
    my ($line, $headers, $seen) = saw(press($browser, button(page_after($browser, posts($browser, "/front/$from", 'a=4')))));
    is($line, "POST $to HTTP/1.1", "RewriteRule to $to");
    is($seen, 'a=4', 'the bytes are there');
    like($headers, qr/^Content-Length: 3$/m, 'and their length');
}
{
    my $browser = visitor();
    my $answer = press($browser, button(page_after($browser, posts($browser, '/front/none', 'a=5'))));
    like($answer->body, qr{^GET /plain/error HTTP}, 'an ErrorDocument for the form');
}

# ---- a sign-in that fails: the link to try again keeps the form
{
    my $browser = visitor();
    my $there = $browser->follow(posts($browser, '/desk/x', 'a=6'), while => sub { $_[0]->location !~ m{/edxsso/callback/} });
    (my $refused = $there->location) =~ s/\bcode=[^&]*/error=access_denied/;
    my $page = $browser->get($refused);
    is($page->status, 403, 'the user refused');
    my ($again) = grep { m{/edxsso/login\?} } $page->body =~ /href="([^"]+)"/g;
    $again =~ s/&amp;/&/g;
    my (undef, undef, $seen) = saw(press($browser, button(page_after($browser, $browser->get($again)))));
    is($seen, 'a=6', 'and thinks better of it');
    is($browser->get($refused)->status, 400, 'a state that is used');
}

# ---- more than there is room for
{
    my $one = visitor();
    my $answer = posts($one, '/desk/x', 'a=first');
    my $before = cookie_of(my $user = $pair->enter);
    posts(visitor(), '/desk/x', 'flood=' . 'x' x 60000) for 1 .. 90;
    is($pair->alive($before), 1, 'a flood of forms signs nobody out');
    my $end = page_after($one, $answer);
    ok($end->status == 200 || $end->status == 404, 'at worst a form is lost (' . $end->status . ')');
}
my $log = $pair->httpd->log_text;
unlike($log, qr/flood|Josephine|edxsso_replay=[\w-]{20}/, 'nothing of the forms, and no id, in the error log');
is(visitor()->get('/open/index.txt')->status, 200, 'alive');
done_testing();
