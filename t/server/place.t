# SPDX-License-Identifier: Apache-2.0
# Places that need sign-in: who gets in, what everybody else gets, and that nothing goes round them.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Visitor;
use EdxSSO::Httpd;

lms_reset();
allow_log(qw(SSO0564 SSO0689 SSO0680 SSO0687 SSO0681 SSO0145 SSO0353));
my $browser = browser('place');

# Nothing of the place itself, and no word to the app behind
sub closed {
    my ($answer, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    unlike($answer->raw_text, qr/REMOTE_USER|CANARY|^GET /m, "$name: nothing of the place");
    like($answer->header('Cache-Control') // '', qr/no-store/, "$name: no-store");
    return;
}
sub EdxSSO::Answer::raw_text { return $_[0]->body }

sub is_401_json {
    my ($answer, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is($answer->status, 401, "$name: 401");
    my $json = $answer->json;
    is($json && $json->{error}, 'login_required', "$name: error") or diag($answer->body);
    ok($json && $json->{message} && $json->{error_id}, "$name: message and error_id");
    is(join(' ', sort keys %{ $json || {} }), 'error error_id message', "$name: nothing else");
    like($answer->header('Content-Type') // '', qr{^application/json}, "$name: JSON");
    like($answer->header('WWW-Authenticate') // '', qr/^Bearer\b/, "$name: WWW-Authenticate");
    is(scalar(grep { /edxsso/ } $answer->all('Set-Cookie')), 0, "$name: no cookie");
    closed($answer, $name);
    return;
}

# what asks, how, what it gets: to sign in, or 401
my @asking = (
    ['a page',                      'GET',  [], 'navigation', 'login'],
    ['a frame',                     'GET',  [], 'frame', 'login'],
    ['a form',                      'POST', [], 'navigation', 'login'],
    ['HEAD of a page',              'HEAD', [], 'navigation', 'login'],
    ['an old browser',              'GET',  [['Accept', 'text/html,*/*']], 'plain', 'login'],
    ['an XHTML reader',             'GET',  [['Accept', 'application/xhtml+xml']], 'plain', 'login'],
    ['fetch()',                     'GET',  [], 'fetch', '401'],
    ['fetch() that likes HTML',     'GET',  [['Accept', 'text/html']], 'fetch', '401'],
    ['fetch() without cors',        'GET',  [['Sec-Fetch-Mode', 'no-cors'], ['Accept', 'text/html']], 'fetch', '401'],
    ['an image',                    'GET',  [['Sec-Fetch-Mode', 'no-cors'], ['Sec-Fetch-Dest', 'image']], 'fetch', '401'],
    ['XMLHttpRequest',              'GET',  [['X-Requested-With', 'XMLHttpRequest'], ['Accept', 'text/html']], 'plain', '401'],
    ['EventSource',                 'GET',  [['Accept', 'text/event-stream']], 'fetch', '401'],
    ['EventSource, old',            'GET',  [['Accept', 'text/event-stream']], 'plain', '401'],
    ['a WebSocket',                 'GET',  [['Upgrade', 'websocket'], ['Connection', 'Upgrade, close'],
            ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='], ['Sec-WebSocket-Version', '13']], 'plain', '401'],
    ['a WebSocket of a browser',    'GET',  [['Upgrade', 'websocket'], ['Connection', 'Upgrade, close'],
            ['Sec-Fetch-Mode', 'websocket'], ['Sec-Fetch-Dest', 'websocket']], 'fetch', '401'],
    ['a program',                   'GET',  [], 'plain', '401'],
    ['a program without Accept',    'GET',  [['Accept', undef]], 'plain', '401'],
    ['POST of a program',           'POST', [], 'plain', '401'],
    ['POST by fetch()',             'POST', [], 'fetch', '401'],
    ['PUT',                         'PUT',  [], 'navigation', '401'],
    ['DELETE',                      'DELETE', [], 'navigation', '401'],
    ['OPTIONS',                     'OPTIONS', [], 'navigation', '401'],
    ['a CORS preflight',            'OPTIONS', [['Origin', 'https://x.test'], ['Access-Control-Request-Method', 'GET']], 'fetch', '401'],
    ['FOO',                         'FOO',  [], 'navigation', '401'],
    ['a session cookie that is none', 'GET', [['Cookie', 'edxsso=' . 'x' x 64]], 'fetch', '401'],
);
for my $case (@asking) {
    my ($name, $method, $headers, $as, $wanted) = @$case;
    for my $path (qw(/studio /proxy/x /dir/part.html)) {
        my $before = backend_count();
        my $answer = browser('place')->request($method, $path, headers => $headers, as => $as,
            $method =~ /POST|PUT/ ? (body => 'a=b') : ());
        if ($wanted eq 'login') {
            is($answer->status, $method eq 'POST' ? 303 : 302, "$name, $path: to sign in");
            like($answer->header('Location') // '', qr{^\Q$ENV{LMS_ROOT}\E/oauth2/authorize\?}, "$name: at the LMS");
            closed($answer, $name);
        }
        else {
            is_401_json($answer, "$name, $path");
        }
        is(backend_count(), $before, "$name, $path: the app saw nothing") if $path =~ /proxy/;
    }
}
is(browser('place')->request(TRACE => '/studio', as => 'plain')->body =~ /REMOTE_USER=/ ? 1 : 0, 0, 'TRACE');

# the answers that a place can ask for; each for a page and for fetch()
my @answers = (
    ['/login', 302, 302], ['/401', 401, 401], ['/403', 403, 403], ['/pass', 200, 200], ['/passvalid', 200, 200],
    ['/open', 200, 200],
);
for my $case (@answers) {
    my ($path, $page, $fetch) = @$case;
    my $answer = browser('place')->get($path);
    is($answer->status, $page, "$path for a page");
    closed($answer, "$path for a page") if $page != 200;
    if ($page =~ /^4/) {
        like($answer->body, qr/<h1>/, "$path: a page for a browser");
        like($answer->header('Content-Security-Policy') // '', qr/default-src 'none'.*frame-ancestors 'none'/, "$path: CSP");
        is($answer->header('X-Content-Type-Options'), 'nosniff', "$path: nosniff");
        is($answer->header('Referrer-Policy'), 'no-referrer', "$path: no-referrer");
    }
    $answer = browser('place')->get($path, as => 'fetch');
    is($answer->status, $fetch, "$path for fetch()");
    ok($answer->json, "$path: JSON for a script") if $fetch =~ /^4/;
    unlike($answer->body, qr/^(REMOTE_USER|AUTH_TYPE|HTTP_REMOTE_USER|(HTTP_)?EDXSSO_)/m, "$path: nobody") if $fetch == 200;
}

# signed in
$browser = visitor('place', '/studio');
for my $path (qw(/studio /login /401 /403 /pass /passvalid /rewritten /nouser/../studio //studio /studio/../studio/x /%73tudio)) {
    my $answer = $browser->get(vhost("place") . $path);
    is($answer->status, 200, "$path, signed in");
    like($answer->body, qr/^REMOTE_USER=jsmith$/m, "$path: the user");
}
is($browser->request($_, '/studio', as => 'fetch')->status, 200, "$_, signed in") for qw(GET POST PUT OPTIONS HEAD);
unlike($browser->get('/open')->body, qr/^REMOTE_USER=/m, 'an open place does not look');

# who: Require user, not, AuthMerging
my $zoe = visitor('place', '/studio', user => 'zoe');
my @who = (
    ['/user', 403, 200], ['/nouser', 403, 200], ['/merge', 403, 200], ['/merge/and', 403, 403],
);
for my $case (@who) {
    my ($path, $jsmith, $other) = @$case;
    my $answer = $browser->get($path);
    is($answer->status, $jsmith, "$path, jsmith");
    unlike($answer->body, qr/^REMOTE_USER=/m, "$path, jsmith: nothing of it") if $jsmith != 200;
    if ($jsmith == 403) {
        like($answer->body, qr/jsmith/, "$path: the page says who is signed in");
        like($answer->body, qr{/edxsso/login|/edxsso/logout}, "$path: and offers another account");
        like($answer->header('Cache-Control') // '', qr/no-store/, "$path: no-store");
        my $json = $browser->get($path, as => 'fetch');
        is($json->status, 403, "$path by fetch()");
        is(($json->json || {})->{error}, 'access_denied', "$path by fetch(): JSON");
    }
    is($zoe->get($path)->status, $other, "$path, zoe");
    is(browser('place')->get($path)->status, 302, "$path, nobody");
}

# .htaccess, ErrorDocument
is($zoe->get('/dir/list/file.html')->status, 200, 'who gets in');
is(browser('place')->get('/dir/list/file.html')->status, 403, 'EdxSSOUnauthenticated in .htaccess');
my $error = browser('place')->get('/err/part.html');
is($error->status, 401, 'where there is an ErrorDocument for 401');
unlike($error->body, qr/CANARY/, 'nothing of the place');
$error = $browser->get('/err/sub/file.html');
is($error->status, 403, 'ErrorDocument for 403');
unlike($error->body, qr/CANARY/, 'nothing of the place');

# ways round: no answer is the place's own
my $before = backend_count();
my @variants = qw(/studio/ /studio/../studio //studio /./studio /x/../studio /%73tudio /studio%2f /studio%2Fx /studio%00
    /studio/..%2fstudio /rewritten /toproxy /proxy/../proxy/x //proxy/x /proxy%2fx /%70roxy/x /studio;x /studio?x /Studio
    /STUDIO /studio/%2e%2e/studio /dir/part.html/ /dir/./part.html /dir//part.html /err/../dir/part.html /dir/part.html%20
    /open/../studio /open/..%2fstudio /open/%2e%2e/studio);
for my $variant (@variants) {
    my $answer = browser('place')->raw($variant, "GET $variant HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Forwarded-Uri: /open\r\nX-Original-URL: /open\r\nX-Rewrite-URL: /open\r\n\r\n");
    unlike($answer->body, qr/^REMOTE_USER=|CANARY|^GET |^SCRIPT_NAME=\/studio/m, "$variant: no way round") or diag($answer->body);
}
is(backend_count(), $before, 'and the app behind the proxy saw none of them');

# the module's own URLs are nobody else's
for my $vhost (qw(place whole)) {
    my $visitor = browser($vhost);
    is($visitor->get('/edxsso/session', as => 'fetch')->status, 401, "$vhost: /edxsso/session answers");
    is($visitor->get('/edxsso/login?next=/x')->status, 302, "$vhost: /edxsso/login answers");
    is($visitor->get('/edxsso/nothing')->status, 404, "$vhost: what there is not");
    expect_log('SSO0682');
    is($visitor->get('/edxssox')->status, $vhost eq 'place' ? 403 : 302, "$vhost: a path that begins alike is not ours");
}
$before = backend_count();
my $whole = visitor('whole', '/a/b?c=d');
is(backend_count(), $before + 1, 'the app saw one request: the last');
like($whole->get('/a/b?c=d')->body, qr{^GET /whole/a/b\?c=d HTTP/1.1\nHost.*^Remote-User: jsmith$}ms, 'signed in, behind ProxyPass /');

# part of another answer: DirectoryIndex, server-side includes, listings, in an httpd that has these modules
my $httpd = EdxSSO::Httpd->new(modules => [qw(include autoindex)], config => <<"END");
<EdxSSOProvider lms edx>
    EdxSSOURLRoot      $ENV{LMS_ROOT}
    EdxSSOClientID     studio-sso
    EdxSSOClientSecret studio-secret
    EdxSSOJWKS         file:$ENV{LMS_FILES}/lms-jwks.json
</EdxSSOProvider>
DirectoryIndex index.shtml
<Directory \@DIR\@/htdocs>
    Options +Indexes +Includes
    AddType text/html .shtml .html
    AddOutputFilter INCLUDES .shtml
    Require all granted
</Directory>
<Directory \@DIR\@/htdocs/gate>
    <Files index.shtml>
        AuthType edxsso
        Require  valid-user
    </Files>
</Directory>
<LocationMatch "^/(in|secret|zoe)/">
    AuthType edxsso
    Require  valid-user
</LocationMatch>
<Location "/zoe/">
    Require user zoe
</Location>
<Location "/metrics">
    SetHandler edxsso-metrics
</Location>
END
mkdir $httpd->dir . "/htdocs/$_" for qw(in in/list secret zoe open gate);
my %files = ('in/index.shtml' => 'index of <!--#echo var="REMOTE_USER" --> <!--#echo var="EDXSSO_PROVIDER" -->'
        . ' [<!--#include virtual="/secret/part.shtml" -->] [<!--#include virtual="/zoe/part.shtml" -->]',
    'gate/index.shtml' => 'gate for <!--#echo var="REMOTE_USER" -->', 'gate/open.html' => 'x',
    'open/index.shtml' => 'open [<!--#include virtual="/secret/part.shtml" -->]',
    'secret/part.shtml' => 'CANARY for <!--#echo var="REMOTE_USER" -->', 'zoe/part.shtml' => 'CANARY for zoe', 'in/list/file.html' => 'x');
for my $name (sort keys %files) {
    open my $out, '>', $httpd->dir . "/htdocs/$name" or die "$name: $!\n";
    print {$out} $files{$name};
    close $out;
}
$httpd->start;
my $reader = EdxSSO::Browser->new(base => $httpd->url);
is($reader->get('/in/')->status, 302, 'DirectoryIndex, nobody: to sign in');
my $begun = sub { ($reader->get('/metrics')->body =~ /^edxsso_sign_ins_started_total\{provider="lms"\} (\d+)$/m)[0] };
my $so_far = $begun->();
unlike($reader->get('/open/')->body, qr/CANARY/, 'an open page includes nothing protected for nobody');
is($begun->(), $so_far, 'and starts no sign-in');
my $gate = EdxSSO::Browser->new(base => $httpd->url);
my $before_gate = $gate->get('/gate/');
is($before_gate->status, 302, 'the index of a directory is protected by <Files>: to sign in');
is(scalar(() = $before_gate->all('Set-Cookie')), 1, 'with the cookie for it');
like($before_gate->header('Cache-Control'), qr/no-store/, 'kept by nobody');
is($gate->get('/gate/', as => 'fetch')->status, 401, 'or 401');
like(enter($gate, '/gate/')->body, qr/^gate for jsmith$/m, 'and comes back to it');
is($gate->get('/gate/open.html')->status, 200, 'what stands beside it is open');
my $index = enter($reader, '/in/');
is($index->status, 200, 'DirectoryIndex, signed in');
like($index->body, qr/index of jsmith lms \[CANARY for jsmith\]/, 'it knows the user, and so does what it includes');
unlike($index->body, qr/CANARY for zoe/, 'it includes nothing that is for somebody else');
like($reader->get('/open/')->body, qr/CANARY for/, 'an open page includes what its reader may see');
like($reader->get('/in/list/')->body, qr/file\.html/, 'a listing');
unlike(EdxSSO::Browser->new(base => $httpd->url)->get('/in/list/')->body, qr/file\.html/, 'but not for nobody');
unlike($httpd->log_text, qr/exit signal/, 'and nothing crashed');
$httpd->stop;

done_testing();
