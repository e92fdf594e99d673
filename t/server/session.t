# SPDX-License-Identifier: Apache-2.0
# Sessions: their cookie, their end, what a client can send for one; the module's own URLs and pages.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Visitor;

allow_log('SSO1069'); # a state of a return from the provider that is none
lms_reset('other');
allow_log(qw(SSO0564 SSO0680 SSO0687 SSO0688 SSO0145 SSO0353 SSO1011 SSO1069));

sub session_of { my ($browser, $cookie) = @_; return $browser->get('/edxsso/session', as => 'fetch',
    defined $cookie ? (headers => [['Cookie', $cookie]]) : ()) }
# what a browser at a public name would send
sub at { my ($vhost, $host, $path, @headers) = @_; return browser($vhost, as => 'navigation')->get($path,
    headers => [['Host', $host], @headers]) }

# ---- the cookie
my $browser = browser('session');
my $answer = enter($browser, '/app');
is($answer->status, 200, 'signed in');
my $cookie = $browser->cookie('edxsso');
like($cookie->{value}, qr/^[\w-]{64}$/, 'the id is 256 bits');
like($cookie->{line}, qr/^edxsso=[\w-]{64}; Path=\/; HttpOnly; SameSite=Lax$/, 'on http: HttpOnly, SameSite, Path, this session');
my $login = $browser->cookie('edxsso_login');
like($login->{line}, qr/; Path=\/; .*HttpOnly; SameSite=Lax/, 'the sign-in cookie too');
unlike($answer->body, qr/\Q$cookie->{value}\E/, 'the app does not see it');

my $start = at('secure', 'secure.test', '/app');
is($start->status, 302, 'https: to sign in');
like($start->header('Set-Cookie'), qr/^__Host-edxsso_login=[\w-]+; Path=\/; Max-Age=600; Secure; HttpOnly; SameSite=Lax$/, 'https: the sign-in cookie');
like({ EdxSSO::Browser::query($start->location) }->{redirect_uri}, qr{^https://secure\.test/edxsso/callback/lms$}, 'https: the redirect URI');

# a whole sign-in at a public name, by hand
sub sign_in_at {
    my ($vhost, $host, $app, $cookies) = @_;
    my @names = grep { !/^http:/ } map { "$_/edxsso/callback/lms" } "https://$host";
    lms(clients => { client_id => 'studio-sso', redirect_uris => "https://$host/edxsso/callback/lms" });
    my $first = at($vhost, $host, $app);
    my ($binding) = map { /^([^;]+)/ } $first->header('Set-Cookie');
    my $lms = EdxSSO::Browser->new;
    my $back = $lms->follow($lms->get($first->location), while => sub { $_[0]->location !~ m{/edxsso/callback/} });
    (my $target = $back->location) =~ s{^https?://[^/]+}{};
    my $done = at($vhost, $host, $target, ['Cookie', join '; ', $binding, @{ $cookies || [] }]);
    lms_reset('other');
    return $done;
}
my $done = sign_in_at('secure', 'secure.test', '/app?x=1');
is($done->status, 302, 'https: signed in');
is($done->header('Location'), 'https://secure.test/app?x=1', 'https: back to where it began');
is($done->header('Cache-Control'), 'no-store', 'https: no-store');
my ($set) = grep { /^__Host-edxsso=/ } $done->all('Set-Cookie');
like($set, qr/^__Host-edxsso=[\w-]{64}; Path=\/; Secure; HttpOnly; SameSite=Lax$/, 'https: __Host-, Secure, HttpOnly, SameSite, Path');
my ($id) = $set =~ /=([\w-]+)/;
is(at('secure', 'secure.test', '/app', ['Cookie', "__Host-edxsso=$id"])->status, 200, 'https: it signs in');
is(at('secure', 'secure.test', '/app', ['Cookie', "edxsso=$id"])->status, 302, 'https: without the prefix it does not');
unlike(at('secure', 'secure.test', '/app', ['Cookie', "__Host-edxsso=$id; edxsso=$id; a=b"])->body, qr/\Q$id\E/, 'https: the app sees neither');
is(browser('session')->get('/app', headers => [['Cookie', "edxsso=$id"]])->status, 302, 'a session of another virtual host is none');

$done = sign_in_at('named', 'named.test', '/app');
($set) = grep { /^campus=/ } $done->all('Set-Cookie');
like($set, qr/^campus=[\w-]{64}; Path=\/app; Domain=named\.test; Secure; HttpOnly; SameSite=None$/, 'name, domain, path and SameSite as configured');

# ---- a new id at sign-in, the old session ended
my $old = $browser->clone;
my $first_id = $cookie->{value};
$browser->get('/edxsso/login?provider=lms&next=/app', as => 'navigation');
enter($browser, '/edxsso/login?provider=lms&next=/app');
isnt($browser->cookie('edxsso')->{value}, $first_id, 'signing in again gives a new id');
is(session_of($browser)->status, 200, 'which is good');
is(session_of($old)->status, 401, 'and the old one, copied, is not');

# ---- the session endpoint
$answer = session_of($browser);
is($answer->status, 200, 'session: 200');
is($answer->header('Cache-Control'), 'no-store', 'session: no-store');
like($answer->header('Content-Type'), qr{^application/json}, 'session: JSON');
is($answer->header('X-Content-Type-Options'), 'nosniff', 'session: nosniff');
my $json = $answer->json;
is(join(' ', sort keys %$json), 'claims expires_in idle_expires_in provider username', 'session: these members');
is("$json->{provider} $json->{username}", 'lms jsmith', 'session: who');
ok($json->{expires_in} > 43100 && $json->{expires_in} <= 43200, 'session: 12 hours in all') or diag($answer->body);
ok($json->{idle_expires_in} > 7100 && $json->{idle_expires_in} <= 7200, 'session: 2 hours idle');
is($json->{claims}{preferred_username}, 'jsmith', 'session: claims');
unlike($answer->body, qr/eyJ[\w-]*\./, 'session: no token');
$answer = session_of(browser('session'));
is($answer->status, 401, 'session of nobody: 401');
is($answer->json->{error}, 'login_required', 'session of nobody: JSON');
is($answer->header('Cache-Control'), 'no-store', 'session of nobody: no-store');
is(browser('session')->get('/edxsso/session')->json->{error}, 'login_required', 'session of nobody, as a page: JSON');
is(session_of($browser)->header('Set-Cookie'), undef, 'session sets no cookie');

# ---- the idle time: a polling page does not keep it alive, a request does
sleep 2;
my $left = sub { session_of($browser)->json->{idle_expires_in} };
my $before = $left->();
cmp_ok($before, '<=', 7198, 'time passes');
cmp_ok($left->(), '<=', $before, 'asking for the session does not extend it');
$browser->get('/app', headers => [['X-Edxsso-Background', '1']]);
cmp_ok($left->(), '<=', $before, 'a background request does not');
SKIP: {
    $browser->get('/app', headers => [['X-Edxsso-Background', '0']]);
    cmp_ok($left->(), '>=', 7100, 'any other request may');
}

# ---- what can be sent for a session
my $good = $browser->cookie('edxsso')->{value};
(my $changed = $good) =~ s/^(.)/$1 eq 'A' ? 'B' : 'A'/e;
my @cookies = (
    ["edxsso=$good", 200], ["a=b; edxsso=$good; c=d", 200], ["edxsso=$good; edxsso=$good", 200],
    ["edxsso=$good; edxsso=$changed", 401], ["edxsso=$changed; edxsso=$good", 401],
    ["edxsso=$good; edxsso=", 200], ["edxsso=$changed", 401], ["EDXSSO=$good", 401],
    ["edxsso=\"$good\"", 401], ["edxsso=${good}A", 401], ['edxsso=' . substr($good, 1), 401],
    ["edxsso=$good%00", 401], ["edxsso=$good.", 401], ['edxsso=', 401], ['edxsso', 401], ['edxsso=99999999', 401],
    ['edxsso=-1', 401], ['edxsso=' . 'A' x 64, 401], ['edxsso=' . 'A' x 43, 401], ['edxsso=' . 'A' x 4000, 401], ["edxsso=\x01\x02", undef],
    ["edxsso=\xff\xfe", 401], ["edxsso=%s%n$good", 401], ['edxsso=../../etc/passwd', 401], ["edxsso=\{\}", 401],
    ["edxsso_0=$good", 401], ["edxsso_99999999=$good; edxsso=99999999", 401], ["__Host-edxsso=$good", 401],
    ["edxsso= $good", 200], ["edxsso =$good", 200], [join('; ', map { "a$_=1" } 1 .. 300) . "; edxsso=$good", 200],
);
for my $case (@cookies) {
    my ($line, $status) = @$case;
    (my $name = substr $line, 0, 60) =~ s/[^ -~]/?/g;
    my $got = session_of(browser('session'), $line);
    is($got->status, $status, "Cookie: $name") if defined $status;
    is(browser('session')->get('/app', headers => [['Cookie', $line]])->status, $status == 200 ? 200 : 302, "and at a place")
        if defined $status;
}

# ---- a session of a provider that is not accepted here
is(enter($browser, '/app')->status, 200, 'where it is accepted');
$answer = $browser->get('/only');
is($answer->status, 302, 'a provider that is not accepted here: to sign in again');
is(EdxSSO::Browser->new(base => vhost('session'))->get('/only', headers => [['Cookie', "edxsso=$good"]], as => 'fetch')->status, 401, 'or 401');
is(enter($browser, '/only')->status, 200, 'with the other one');
is($browser->get('/app')->status, 302, 'which the first place does not accept');

# ---- round and round
lms_reset('other');
my $lost = browser('session');
my ($turns, $page) = (0);
for (1 .. 8) {
    $page = enter($lost, '/app');
    last if $page->status != 200;
    $turns++;
    $lost->drop_cookie(%{ $lost->cookie('edxsso') });
}
is($turns, 5, 'signed in five times and never accepted: then a page');
is($page->status, 403, 'the page: 403');
like($page->body, qr/no session cookie came with the request/, 'the page: why');
like($page->body, qr{/edxsso/login\?[^"]*next=}, 'the page: a link to try again');
like($page->header('Content-Security-Policy'), qr/default-src 'none'/, 'the page: CSP');
expect_log('SSO0510');
is(enter($lost, '/app')->status, 200, 'and it works again when the cookie stays');
is($lost->get('/app')->status, 200, 'and stays so');

# ---- own URLs: methods, unknown ones, headers of pages
my @urls = (
    ['GET',  '/edxsso', 404], ['GET', '/edxsso/', 404], ['GET', '/edxsso/nothing', 404], ['GET', '/edxsso/session/x', 404],
    ['GET',  '/edxsso/logi', 404], ['GET', '/edxsso/loginx', 404], ['GET', '/edxsso/callback', 404], ['GET', '/edxsso/callback/', 404],
    ['GET',  '/edxsso/callback/nobody', 404], ['GET', '/edxsso/LOGIN', 404], ['GET', '/edxsso/callback/lms/x', 404],
    ['POST', '/edxsso/session', 405], ['DELETE', '/edxsso/session', 405], ['POST', '/edxsso/login', 405],
    ['PUT',  '/edxsso/callback/lms', 405], ['HEAD', '/edxsso/callback/lms', 405], ['HEAD', '/edxsso/logout', 405],
    ['PUT',  '/edxsso/logout', 405], ['OPTIONS', '/edxsso/login', 405], ['FOO', '/edxsso/login', 405], ['TRACE', '/edxsso/login', 405],
    ['GET',  '/edxsso/callback/lms', 400], ['GET', '/edxsso/callback/lms?state=x&code=y', 400],
    ['GET',  '/edxsso/login?provider=nobody', 400], ['GET', '/edxsso/login?next=/a&next=/b', 400],
    ['GET',  '/edxsso/login?next=https://evil.test/', 400], ['GET', '/edxsso/login', 200],
);
allow_log(qw(SSO0500 SSO0501 SSO0550 SSO0120 SSO0121 SSO0122 SSO0123 SSO0124 SSO0125 SSO0126 SSO0682 SSO0683 SSO0875));
allow_log(map { sprintf 'SSO%04d', $_ } 100 .. 139);
for my $case (@urls) {
    my ($method, $url, $status) = @$case;
    my $got = browser('session')->request($method, $url);
    is($got->status, $status, "$method $url");
    my ($allow) = join ', ', $got->all('Allow');
    ok($allow =~ /\bGET\b/ && $allow !~ /PUT|TRACE/, "$method $url: Allow: $allow") if $status == 405;
    is($got->header('Cache-Control'), 'no-store', "$method $url: no-store");
    next if $method eq 'HEAD';
    if ($url =~ /session$/) {
        ok($got->json, "$method $url: JSON");
        next;
    }
    like($got->header('Content-Security-Policy') // '', qr/^default-src 'none'; .*frame-ancestors 'none'; base-uri 'none'$/, "$method $url: CSP");
    is($got->header('X-Content-Type-Options'), 'nosniff', "$method $url: nosniff");
    is($got->header('Referrer-Policy'), 'no-referrer', "$method $url: no-referrer");
    is(scalar($got->all('Set-Cookie')), 0, "$method $url: no cookie") if $status != 200;
}
is(browser('session')->get('/edxsso/nothing', as => 'fetch')->json->{error}, 'not_found', 'JSON for who asks for it');
like(browser('session')->get('/edxsso/login')->body, qr/&lt;Other&gt; &amp; &quot;more&quot;|&lt;Other&gt; &amp; &#34;more&#34;/, 'a display name is text');

# ---- markup in every parameter
my @markup = ('"><script>alert(1)</script>', "'onmouseover='x", '</title><img src=x onerror=y>', 'javascript:alert(1)', '{{7*7}}', "\xc0\xbcscript\xc0\xbe");
for my $path (qw(/edxsso/login /edxsso/logout /edxsso/callback/lms /edxsso/session /edxsso/nothing)) {
    for my $name (qw(provider next iss target_link_uri login_hint tpa_hint prompt state code error error_description no_redirect x)) {
        for my $text (@markup[0, 2]) {
            my $got = browser('session')->get("$path?$name=" . EdxSSO::Browser::escape($text), cross_site => 1);
            unlike($got->body, qr/<script>alert|<img src=x/, "$path?$name: escaped or not there") if $got->body =~ /alert|onerror/;
            unlike($got->header('Location') // '', qr/[<>"]/, "$path?$name: Location") if $got->header('Location');
        }
    }
    my $got = browser('session')->get("$path/" . EdxSSO::Browser::escape($markup[0]));
    unlike($got->body, qr/<script>alert/, "$path: as a path");
}
allow_log(map { sprintf 'SSO%04d', $_ } 500 .. 509, 550 .. 563, 640, 641);

# ---- which host: never the client's word
for my $case (['evil.test', 'secure.test'], ['alias.test', 'alias.test'], ['a.wild.test', 'a.wild.test'], ['secure.test:99', 'secure.test:99'],
    ['secure.test.evil.test', 'secure.test'], ['evil.test:80@secure.test', undef], ['SECURE.test', qr/^secure\.test$/i]) {
    my ($host, $used) = @$case;
    my $got = at('secure', $host, '/app');
    next unless defined $used;
    my %asked = EdxSSO::Browser::query($got->header('Location') // '');
    my ($seen) = ($asked{redirect_uri} // '') =~ m{^https://([^/]+)/edxsso/callback/lms$};
    ref $used ? like($seen, $used, "Host: $host") : is($seen, $used, "Host: $host");
}
my $port = (vhost('secure') =~ /:(\d+)/)[0];
$answer = browser('secure')->raw('/app', "GET http://evil.test/app HTTP/1.1\r\nHost: secure.test\r\nConnection: close\r\nAccept: text/html\r\n\r\n");
unlike($answer->header('Location') // '', qr/evil/, 'an absolute request target changes nothing');
is({ EdxSSO::Browser::query($answer->header('Location') // '') }->{redirect_uri}, 'https://secure.test/edxsso/callback/lms', 'the origin is the configured one');
for my $header (['X-Forwarded-Host', 'evil.test'], ['X-Forwarded-Proto', 'http'], ['Forwarded', 'host=evil.test;proto=http'], ['X-Forwarded-Port', '99']) {
    is({ EdxSSO::Browser::query(at('secure', 'secure.test', '/app', $header)->header('Location') // '') }->{redirect_uri},
        'https://secure.test/edxsso/callback/lms', "$header->[0] is not trusted");
}
my @forwarded = (
    [[['X-Forwarded-Proto', 'https']], qr{^https://forwarded\.test/}],
    [[['X-Forwarded-Proto', 'http, https']], qr{^https://forwarded\.test/}],
    [[['X-Forwarded-Proto', 'https'], ['X-Forwarded-Host', 'front.test']], qr{^https://front\.test/}],
    [[['X-Forwarded-Proto', 'https'], ['X-Forwarded-Host', 'front.test:8443']], qr{^https://front\.test:8443/}],
    [[['X-Forwarded-Proto', 'https'], ['X-Forwarded-Host', 'front.test'], ['X-Forwarded-Port', '8443']], qr{^https://front\.test:8443/}],
    [[['X-Forwarded-Proto', 'https'], ['X-Forwarded-Host', 'evil.test, front.test']], qr{^https://front\.test/}],
    [[['X-Forwarded-Proto', 'HTTPS'], ['X-Forwarded-Host', 'Front.TEST']], qr{^https://front\.test/}],
    [[['Forwarded', 'for=1.2.3.4;host=front.test;proto=https']], qr{^https://front\.test/}],
    [[['Forwarded', 'host=evil.test, for="[::1]"; host="front.test"; proto=https']], qr{^https://front\.test/}],
    [[['X-Forwarded-Proto', 'gopher']], qr{^http://forwarded\.test}],
    [[['X-Forwarded-Host', 'evil.test']], 400], [[['Forwarded', 'host=evil.test;proto=https']], 400],
    [[['X-Forwarded-Host', 'front.test, evil.test']], 400], [[['X-Forwarded-Host', 'front.test/x']], 400],
    [[['X-Forwarded-Host', 'user@front.test']], 400], [[['X-Forwarded-Host', '']], qr{^http://forwarded\.test|^$}],
);
allow_log('SSO0685');
# a port that the browser named is its own, whatever scheme the proxy says; one that it did not name is the scheme's
for my $case (['forwarded.test:8443', [], 'https://forwarded.test:8443'], ['forwarded.test:443', [], 'https://forwarded.test'],
    ['forwarded.test', [], 'https://forwarded.test'], ['forwarded.test:8443', [['X-Forwarded-Port', '444']], 'https://forwarded.test:444'],
    ['forwarded.test:8443', [['X-Forwarded-Host', 'front.test']], 'https://front.test'], ['evil.test:8443', [], 'https://forwarded.test']) {
    my ($host, $headers, $origin) = @$case;
    my $got = at('forwarded', $host, '/app', ['X-Forwarded-Proto', 'https'], @$headers);
    is({ EdxSSO::Browser::query($got->header('Location') // '') }->{redirect_uri}, "$origin/sso/callback/lms",
        join ' ', "Host: $host", map { "$_->[0]: $_->[1]" } @$headers);
}
for my $case (@forwarded) {
    my ($headers, $wanted) = @$case;
    my $name = join ' ', map { "$_->[0]: $_->[1]" } @$headers;
    for my $url ('/app', '/sso/login?provider=lms') {
        my $got = at('forwarded', 'forwarded.test', $url, @$headers);
        if (ref $wanted) {
            like({ EdxSSO::Browser::query($got->header('Location') // '') }->{redirect_uri} // '', $wanted, "$url: $name");
        }
        else {
            is($got->status, $wanted, "$url: $name");
            unlike($got->raw_bytes, qr/evil/, "$url: $name: not echoed");
            like($got->body, qr{<a href="/">}, "$url: $name: a link to try again");
        }
    }
    my $got = at('forwarded', 'forwarded.test', '/app', @$headers, ['Accept', 'application/json'], ['Sec-Fetch-Mode', 'cors']);
    unlike($got->header('WWW-Authenticate') // '', qr/null|evil/, "fetch: $name");
}
sub EdxSSO::Answer::raw_bytes { return $_[0]{raw} // '' }

lms_reset();
is(enter(browser('session'), '/app')->status, 200, 'after all that somebody signs in');
done_testing();
