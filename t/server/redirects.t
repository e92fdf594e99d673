# SPDX-License-Identifier: Apache-2.0
# Wherever a return address comes from, a browser stays here. What a browser makes of a Location is asked of the
# URL parser that browsers have (node's), where there is one; without it only of plain rules.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::SignIn;
use File::Temp ();
use JSON::PP ();

allow_log('SSO0564', map { "SSO0$_" } 100 .. 105, 501, 503, 504, 640, 641, 680 .. 685);
lms_reset('roots');
my $home = vhost('si_all');
(my $host = $home) =~ s{^http://}{};

# Return addresses that lead elsewhere in one browser or another, or that somebody takes for one that does.
my @payloads = (
    '//evil.test', '/\\evil.test', '\\\\evil.test', "/\t/evil.test", "/\n/evil.test", 'https:evil.test',
        'https:///evil.test',
    'https:/evil.test', "http://$host\@evil.test", "http://$host:x\@evil.test", '//localhost:80@evil.test',
        '/%09/evil.test',
    '/%2f%2fevil.test', '/%5cevil.test', '/.//evil.test', '/..//evil.test', '/x/..//evil.test',
        'javascript:alert(1)',
    'data:text/html,x', '?//evil.test', '#//evil.test', ' //evil.test', 'localhost.evil.test',
        'evil.test/localhost',
    'http://localhost%00.evil.test', 'http://localhost%2eevil.test', 'http://[::1]@evil.test', '///evil.test',
        '////evil.test', 'http:\\\\evil.test',
    # their neighbours
    '', '/', ' ', "\t//evil.test", "\r\n//evil.test", '\\/evil.test', '/\\/evil.test', '/\\\\evil.test',
        '/ /evil.test', "/\r/evil.test",
    "/\x0b/evil.test", "/\x00/evil.test", "//\x00evil.test", "/\xe3\x80\x82evil.test", "//evil\xe3\x80\x82test",
        "/\xef\xbc\x8fevil.test", "/\xe2\x81\x84/evil.test",
    'HTTP://evil.test', 'hTTps:\\evil.test', 'http:evil.test', 'http:/evil.test', 'http:\\/evil.test',
        'http:///evil.test', 'http://', 'http:', 'https://evil.test:443',
    "http://$host.evil.test/", "http://$host\@evil.test:80/", "http://evil.test#\@$host/",
        "http://evil.test\\\@$host/", "http://evil.test?\@$host/",
    "http://evil.test;\@$host/", "http://$host\\\@evil.test/", "http://$host#\@evil.test/",
        "http://$host?\@evil.test/", "http://user:pass\@$host/",
    "https://$host/", "http://localhost/", 'http://localhost:1/', 'http://127.0.0.1/', 'http://2130706433/',
        'http://[::1]/', 'http://0/', 'http://LOCALHOST.:80/',
    'ftp://evil.test', 'file:///etc/passwd', 'vbscript:x', 'JaVaScRiPt:alert(1)', "java\tscript:alert(1)",
        "\x01javascript:alert(1)", 'blob:http://evil.test/x', 'view-source:http://evil.test',
    'mailto:x@evil.test', 'evil.test', 'evil.test:80', './/evil.test', '..//evil.test', './evil', 'x', '.',
        '..', '@evil.test', ':80', ';//evil.test', '*', '/x?//evil.test', '/x#//evil.test',
    '/%2e%2e//evil.test', '/%2e/%2fevil.test', '/x/%2e%2e/%2fevil.test', '/..%2f/evil.test', '/..%5c/evil.test',
        '/%00//evil.test', '/%0d%0aLocation:%20http://evil.test', "/\r\nLocation: http://evil.test",
    '/%zz', '/%', '/%252f%252fevil.test', '/x//y', '/x/./y/../z', '/' . 'a/' x 2000 . '/evil.test', '//'
        . 'a' x 5000 . '.evil.test', '/' . 'x' x 7000,
    "/\xc3\xa4", '/a b', "/a'b\"c<d>", "//evil.test/$host", "//$host", "//$host/x", "///$host/x",
        "http:////$host", "http://$host//evil.test", "http://$host/\\evil.test", "http://$host/..//evil.test",
        "http://$host:80\@evil.test/",
    "http://\x{6c}ocalhost\xe3\x80\x82evil.test/", 'http://localhost:99999/', 'http://localhost:-1/',
        'http://localhost:0x50/', 'http://localhost: 80/', 'http://local host/',
        'http://localhost%2f@evil.test/', 'http://localhost%40evil.test/', 'http://localhost%3a80%40evil.test/',
);

my @seen; # [why, what was asked for, Location]

sub remember {
    my ($why, $base, $answer) = @_;
    my $to = $answer->header('Location');
    push @seen, [$why, $base, $to] if defined $to;
    push @seen, [$why, $base, $1] if ($answer->header('Refresh') // '') =~ /url=(.*)/i;
    return $to;
}

sub short { my $text = substr $_[0], 0, 60; $text =~ s/([^ -~])/sprintf '<%02x>', ord $1/ge; return $text }

# ---- next and target_link_uri: refused, or to this site
my $way_in = { next => 'next', target_link_uri => 'target_link_uri' };
for my $parameter (sort keys %$way_in) {
    for my $payload (@payloads) {
        my $why = "login?$parameter=" . short($payload);
        my $browser = browser('si_all');
        my $start = $browser->get(with_query('/edxsso/login', $parameter => $payload));
        if ($start->status == 400) {
            ok(!defined $start->header('Location'), "$why: refused");
            unlike($start->body, qr/evil/, "$why: not on the page");
            next;
        }
        if ($start->status != 302) {
            fail("$why: status " . $start->status);
            next;
        }
        my $to_lms = to_callback($browser, $start->location);
        my $done = $browser->get($to_lms->location);
        is($done->status, 302, "$why: signed in");
        remember($why, $home, $done);
    }
}

# ---- logout?next=: with and without a session; and its page that asks first
for my $payload (@payloads) {
    my $why = 'logout?next=' . short($payload);
    my $url = with_query('/edxsso/logout', next => $payload);
    my $nobody = browser('si_all')->get($url);
    like($nobody->status, qr/^(200|302|400)$/, "$why: nobody is signed in");
    remember($why, $home, $nobody);
    unlike($nobody->body, qr/evil/, "$why: not on the page") if $nobody->status == 400;
}
for my $payload (@payloads[0 .. 29]) {
    my $why = 'logout?next=' . short($payload);
    my $url = with_query('/edxsso/logout', next => $payload);
    my $signed_in = browser('si_all');
    $signed_in->follow($signed_in->get('/x'));
    my $asked = $signed_in->get($url, cross_site => 1);
    push @seen, [$why, $home, s/&amp;/&/gr] for $asked->status == 200
        ? $asked->body =~ /(?:href|action)="([^"]*)"/g : ();
    my $answer = $signed_in->get($url);
    my $to = $answer->header('Location') // '';
    if ($to =~ m{^\Q$ENV{LMS_ROOT}\E/logout\?}) { # the LMS is told where to
        my %q = EdxSSO::Browser::query($to);
        push @seen, [$why, $home, $q{redirect_url}];
        pass("$why: by the LMS");
    }
    else {
        is($answer->status, 400, "$why: refused");
    }
}

# ---- the protected address itself, as it is on the wire
for my $payload (@payloads) {
    (my $target = $payload) =~ s/([\x00-\x20\x7f-\xff])/sprintf '%%%02X', ord $1/ge;
    next if $target !~ m{^/} || length $target > 5000;
    my $browser = browser('si_all');
    my $bytes = "GET $target HTTP/1.1\r\nHost: $host\r\nConnection: close\r\nAccept: text/html\r\nSec-Fetch-Mode: navigate\r\n\r\n";
    my $start = $browser->raw('/', $bytes, 'GET');
    my $why = 'GET ' . short($payload);
    like($start->status, qr/^(302|4\d\d)$/, $why);
    unlike($start->body, qr/REMOTE_USER=|GATEWAY/, "$why: the app was not asked");
    next if $start->status != 302;
    $browser->take_cookies($start);
    my $to = $start->location // '';
    if ($to !~ m{^\Q$ENV{LMS_ROOT}\E/oauth2/authorize\?}) {
        remember($why, $home, $start);
        next;
    }
    my $done = $browser->get(to_callback($browser, $to)->location);
    is($done->status, 302, "$why: signed in");
    remember($why, $home, $done);
}

# ---- a request target in absolute form, and Host headers: never another's origin
for my $case (["GET http://evil.test/x HTTP/1.1", 'localhost'],
    ["GET http://evil.test/x HTTP/1.1", 'evil.test'], ['GET /x HTTP/1.1', 'evil.test'],
    ['GET /x HTTP/1.1', 'localhost@evil.test'], ['GET /x HTTP/1.1', "$host.evil.test"],
        ['GET //evil.test/x HTTP/1.1', $host], ['GET /x HTTP/1.0', undef],
    ["GET http://$host\@evil.test/x HTTP/1.1", $host]) {
    my ($line, $name) = @$case;
    for my $header ('', "X-Forwarded-Host: evil.test\r\n",
        "X-Forwarded-Proto: https\r\nForwarded: host=evil.test;proto=https\r\n") {
        my $answer = browser('si_all')->raw('/', "$line\r\n" . (defined $name ? "Host: $name\r\n" : '')
            . "${header}Connection: close\r\nAccept: text/html\r\n\r\n", 'GET');
        my $why = "$line, Host " . ($name // 'none') . ($header ? ', forwarded' : '');
        like($answer->status, qr/^(302|400)$/, $why);
        my %q = EdxSSO::Browser::query($answer->header('Location') // '?');
        unlike($answer->header('Location') // '', qr{^\w+://[^/]*evil}, "$why: not to evil.test");
        push @seen, [$why, $home, $q{redirect_uri}] if defined $q{redirect_uri};
    }
}

# ---- EdxSSOReturnHosts: those, and only those
for my $case (['http://friend.test/x', 1], ['http://friend.test', 1], ['https://friend.test/', 1],
    ['https://friend.test:8443/x', 1], ['http://friend.test:8443/', 1],
    ['http://FRIEND.test/', 1], ['http://friend.test:81/', 0], ['http://x.friend.test/', 0],
        ['http://friend.test.evil.test/', 0], ['http://friend.test@evil.test/', 0],
    ['http://evil.test/friend.test', 0], ['//friend.test/', 0], ['ftp://friend.test/', 0],
        ['http://friend.testx/', 0], ['http://user@friend.test/', 0], ['https://friend.test:80443/', 0]) {
    my ($next, $allowed) = @$case;
    my $browser = browser('si_roots');
    my $start = $browser->get(with_query('/edxsso/login', provider => 'lms', next => $next));
    is($start->status, $allowed ? 302 : 400, "EdxSSOReturnHosts: $next " . ($allowed
        ? 'is allowed' : 'is not'));
    next unless $allowed;
    my $done = $browser->get(to_callback($browser, $start->location)->location);
    like($done->header('Location'), qr{^https?://friend\.test(:8443)?/}i, 'and that is where it leads');
}

# ---- never back to the module's own URLs
for my $next ('/edxsso/logout', '/edxsso/login?next=/x', '/edxsso', '/edxsso/',
    '/edxsso/callback/lms?code=a&state=b', '/x/../edxsso/logout', '/%65dxsso/logout', '/EDXSSO/logout',
    '/./edxsso/logout', "$home/edxsso/logout", '/edxsso;x/logout', '/edxsso%2flogout', '//edxsso/logout',
        '/edxsso/../edxsso/logout') {
    my $browser = browser('si_all');
    my $start = $browser->get(with_query('/edxsso/login', next => $next));
    next if $start->status == 400 && ok(1, "next=$next: refused");
    my $done = $browser->get(to_callback($browser, $start->location)->location);
    my $to = $done->header('Location');
    remember("next=$next", $home, $done);
    my $after = $browser->get($to);
    ok($browser->cookie('edxsso'), "next=$next: the session is still there") or diag($to);
    is($browser->get('/x')->status, 200, 'and works');
}

# ---- the same parameter twice
for my $query ('next=/x&next=//evil.test', 'next=/x&next=/y', 'target_link_uri=/x&target_link_uri=/y') {
    is(browser('si_all')->get("/edxsso/login?$query")->status, 400, "login?$query");
}
is(browser('si_all')->get('/edxsso/logout?next=/x&next=//evil.test')->status, 400, 'logout: next twice');

# ---- what browsers make of all of them
for my $seen (@seen) {
    my ($why, $base, $to) = @$seen;
    ok($to =~ m{^http://localhost:\d+(?:/[\x21-\x7e]*)?\z} && $to !~ m{^[^?#]*\\} && index($to, "$base/") == 0,
        "$why: an absolute URL of this site") or diag(short($to));
}
SKIP: {
    my ($node) = grep { -x } map { "$_/node" } split /:/, $ENV{PATH};
    skip 'node is not installed', 1 unless $node;
    my $file = File::Temp->new(SUFFIX => '.json');
    print {$file} JSON::PP->new->encode(\@seen);
    close $file;
    my $program = 'const seen = JSON.parse(require("fs").readFileSync(process.argv[1], "latin1"));'
        . 'const bad = seen.filter(([, base, to]) => { try { return new URL(to, base).origin !== base } catch (e) { return true } });'
        . 'console.log(JSON.stringify(bad)); console.log("looked at " + seen.length)';
    open my $out, '-|', $node, '-e', $program, "$file" or die "$node: $!\n";
    my ($bad, $count) = <$out>;
    chomp($bad, $count);
    is($bad, '[]', "for a browser all of them are of this site ($count)");
}

no_secrets();
done_testing();
