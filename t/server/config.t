# SPDX-License-Identifier: Apache-2.0
# Mistakes in the configuration: httpd -t says what is wrong, where, and what would be right. And what is no mistake.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Httpd;
use EdxSSO::Visitor;
use File::Temp ();
use POSIX ();

vhost('main');
my $dir = File::Temp::tempdir(CLEANUP => 1);
my $JWKS = "file:$ENV{LMS_FILES}/lms-jwks.json";
sub write_file { my ($name, $text, $mode) = @_; open my $out, '>', "$dir/$name" or die "$name: $!\n"; print {$out} $text; close $out;
    chmod $mode // 0600, "$dir/$name"; return "file:$dir/$name" }
my $secret = write_file('secret', "SECRETFROMFILE\n");
write_file('empty', '');
write_file('newline', "\n");
write_file('open', 'SECRETOPEN', 0644);
write_file('nul', "a\0b");
write_file('huge', 'x' x 20_000);
write_file('bad.json', '{"keys": [');
write_file('nokeys.json', '{"keys": []}');
write_file('list.json', '[]');
mkdir "$dir/folder";
POSIX::mkfifo("$dir/fifo", 0600) or die "mkfifo: $!\n";

# A good section; each given line replaces the one of its directive, or, as '-EdxSSOX', leaves it out.
sub section {
    my (@lines) = @_;
    my $head = $lines[0] && $lines[0] =~ /^</ ? shift @lines : '<EdxSSOProvider lms edx>';
    my %line = map { /^(\w+)/ ? ($1 => $_) : () } 'EdxSSOURLRoot https://lms.example.org', 'EdxSSOClientID studio-sso',
        "EdxSSOClientSecret $secret", "EdxSSOJWKS $JWKS";
    delete @line{ map { /^-?(\w+)/ } @lines };
    return join "\n", $head, (map { $line{$_} } sort keys %line), (grep { !/^-/ } @lines), "</EdxSSOProvider>\n";
}

my ($exit, $output) = EdxSSO::Httpd->config_test(section());
is($exit, 0, 'the section that all others are changed from is good') or diag($output);

# what is changed, what the message must have
my $place = "<Location /x>\nAuthType edxsso\nRequire valid-user\n%s\n</Location>\n";
my @mistakes = (
    # names
    [section('EdxSSOClientld x'), 'EdxSSOClientld', 'EdxSSOClientID'],
    [section('EdxSSOURLRot https://x'), 'EdxSSOURLRot', 'EdxSSOURLRoot'],
    ["EdxSSOSesionIdle 2h\n", 'EdxSSOSesionIdle', 'EdxSSOSessionIdle', 'line \d+'],
    [sprintf($place, 'EdxSSOUnauthenticate pass'), 'EdxSSOUnauthenticate;', 'EdxSSOUnauthenticated'],
    ["<EdxSSOProvidr lms edx>\n</EdxSSOProvidr>\n", 'EdxSSOProvidr', '<EdxSSOProvider'],
    # sections
    [section('<EdxSSOProvider lms edxx>'), '<EdxSSOProvider lms', 'edxx', "did you mean 'edx'"],
    [section('<EdxSSOProvider lms>'), '<EdxSSOProvider lms', 'edx'],
    [section('<EdxSSOProvider LMS edx>'), 'LMS', 'a-z'],
    [section('<EdxSSOProvider "a b" edx>'), 'a b', 'a-z'],
    [section('<EdxSSOProvider lms edx more>'), 'more', 'one word too many'],
    [section() . section(), '<EdxSSOProvider lms', 'already'],
    ["<Location /x>\n" . section() . "</Location>\n", 'EdxSSOProvider', 'not allowed'],
    # values: directive, value, what is allowed
    [section('EdxSSOURLRoot lms:8000'), 'EdxSSOURLRoot', 'lms:8000', 'https://'],
    [section('EdxSSOURLRoot ftp://x/'), 'EdxSSOURLRoot', 'ftp://x/', 'https://'],
    [section('EdxSSOURLRoot https://x/?a=b'), 'EdxSSOURLRoot', 'query'],
    [section('EdxSSOClientAuth client_secret_past'), 'EdxSSOClientAuth', 'client_secret_past', 'client_secret_basic', "did you mean 'client_secret_post'"],
    [section('EdxSSOAlgorithms RS265'), 'EdxSSOAlgorithms', 'RS265', "RS256"],
    [section('EdxSSOAlgorithms none'), 'EdxSSOAlgorithms', 'none', "RS256"],
    [section('EdxSSOClockSkew 1h'), 'EdxSSOClockSkew', '1h', '0s..15m'],
    [section('EdxSSOClockSkew soon'), 'EdxSSOClockSkew', 'soon', '30s'],
    [section('EdxSSOPKCE maybe'), 'EdxSSOPKCE', 'maybe', 'off or on'],
    [section('EdxSSOEndpoint tokn https://x/'), 'EdxSSOEndpoint', 'tokn', 'token'],
    [section('EdxSSOEndpoint token x'), 'EdxSSOEndpoint', "'x'", 'URL'],
    [section('EdxSSOCallbackPath complete'), 'EdxSSOCallbackPath', 'complete', '/'],
    [section('EdxSSOCallbackPath /a/../b'), 'EdxSSOCallbackPath', '/a/../b'],
    [section('EdxSSOTPAHint "a b"'), 'EdxSSOTPAHint', 'a b'],
    [section('EdxSSOClientID'), 'EdxSSOClientID', 'word'],
    [section('EdxSSOClientID a b'), 'EdxSSOClientID', '1 word'],
    ["EdxSSOSessionIdle 31d\n", 'EdxSSOSessionIdle', '31d', '1s..30d'],
    ["EdxSSOSessionMax 9999d\n", 'EdxSSOSessionMax', '9999d', '1s..365d'],
    ["EdxSSOSessionMax 99999999999999999999h\n", 'EdxSSOSessionMax', '99999999999999999999h'],
    ["EdxSSOSessionMax -1h\n", 'EdxSSOSessionMax', '-1h'],
    ["EdxSSOCookieSameSite Maybe\n", 'EdxSSOCookieSameSite', 'Maybe', 'Lax, Strict or None'],
    ["EdxSSOCookieName \"a;b\"\n", 'EdxSSOCookieName', 'a;b'],
    ["EdxSSOTrustForwarded X-Forwarded-For\n", 'EdxSSOTrustForwarded', 'X-Forwarded-For', 'X-Forwarded-Proto'],
    ["EdxSSOTrustForwarded off X-Forwarded-Proto\n", 'EdxSSOTrustForwarded', "'off' stands alone"],
    [section('<EdxSSOProvider lms entra>', 'EdxSSOTenant organizations', 'EdxSSOGraph photo off'), 'EdxSSOGraph', "'off' stands alone"],
    [section() . sprintf($place, 'EdxSSOPassToken none access'), 'EdxSSOPassToken', "'none' stands alone"],
    ["EdxSSOReturnHosts https://x/\n" . section(), 'EdxSSOReturnHosts', 'https://x/', 'host:port'],
    ["EdxSSOHTTPTimeout 2s\n", 'EdxSSOHTTPTimeout', '2 words'],
    ["EdxSSOHTTPTimeout 2s 2h\n", 'EdxSSOHTTPTimeout', '2h', '1s..60s'],
    ["EdxSSOPath nowhere\n", 'EdxSSOPath', 'nowhere', '/'],
    ["EdxSSOPath /\n" . section(), 'EdxSSOPath', "'/'", '/edxsso'],
    ["EdxSSOStore shm:1K\n" . section(), 'EdxSSOStore', 'shm:1K', '1M'],
    ["EdxSSOStore shm:\n" . section(), 'EdxSSOStore', 'shm:64M'],
    ["EdxSSOStore memcache:x\n" . section(), 'EdxSSOStore', 'memcache:x', 'shm:, redis://'],
    ["EdxSSOStore redis://\n" . section(), 'EdxSSOStore|redis'],
    ["EdxSSOStore redis://:REDISSECRET\@h:port/\n" . section(), 'EdxSSOStore|redis'],
    [section() . sprintf($place, 'EdxSSOUnauthenticated 404'), 'EdxSSOUnauthenticated', '404', 'auto, login, 401, 403 or pass'],
    [section() . sprintf($place, 'EdxSSOExport all'), 'EdxSSOExport', "'all'", 'both, env, headers or none'],
    [section() . sprintf($place, 'EdxSSOClaimPrefix X-'), 'EdxSSOClaimPrefix', "X-"],
    [section() . sprintf($place, 'EdxSSOUse lsm'), 'EdxSSOUse', 'lsm', 'line \d+', "which has: lms (did you mean 'lms'?)"],
    [section() . section('<EdxSSOProvider api edx>', 'EdxSSOSignIn off') . sprintf($place, 'EdxSSOUse other'), "which has: lms\n"],
    [sprintf($place, 'EdxSSOUse lms'), 'EdxSSOUse', 'which has none'],
    [section() . sprintf($place, 'EdxSSOUnauthenticated lgoin'), "did you mean 'login'"],
    # wrong places
    [section('EdxSSOPath /x'), 'EdxSSOPath', 'outside of <EdxSSOProvider'],
    [section('EdxSSOUse lms'), 'EdxSSOUse', 'outside of <EdxSSOProvider'],
    [sprintf($place, 'EdxSSOClientID x'), 'EdxSSOClientID not allowed'],
    [sprintf($place, 'EdxSSOPath /x'), 'EdxSSOPath not allowed'],
    # missing
    [section('-EdxSSOURLRoot'), '<EdxSSOProvider lms edx>', 'line \d+', 'EdxSSOURLRoot is missing', 'http://lms:8000'],
    [section('-EdxSSOClientID'), '<EdxSSOProvider lms edx>', 'EdxSSOClientID is missing', "LMS's admin"],
    [section('-EdxSSOClientSecret'), '<EdxSSOProvider lms edx>', 'EdxSSOClientSecret is missing', 'EdxSSOClientAuth none'],
    [section('-EdxSSOJWKS'), '<EdxSSOProvider lms edx>', 'EdxSSOJWKS', 'EdxSSOJWSHMACKey'],
    # secrets
    [section("EdxSSOClientSecret file:$dir/nowhere"), 'EdxSSOClientSecret', 'nowhere', 'No such file'],
    [section("EdxSSOClientSecret file:$dir/empty"), 'EdxSSOClientSecret', 'empty'],
    [section("EdxSSOClientSecret file:$dir/newline"), 'EdxSSOClientSecret', 'is empty'],
    [section("EdxSSOClientSecret file:$dir/folder"), 'EdxSSOClientSecret', 'folder', 'regular file'],
    [section("EdxSSOClientSecret file:$dir/fifo"), 'EdxSSOClientSecret', 'fifo', 'regular file'],
    [section("EdxSSOClientSecret file:$dir/nul"), 'EdxSSOClientSecret', 'NUL'],
    [section("EdxSSOClientSecret file:$dir/huge"), 'EdxSSOClientSecret', '16384'],
    [section('EdxSSOClientSecret file:relative'), 'EdxSSOClientSecret', 'relative', 'must begin with /'],
    [section('EdxSSOClientSecret env:NOT_SET_ANYWHERE'), 'EdxSSOClientSecret', 'NOT_SET_ANYWHERE', 'not set'],
    [section('EdxSSOClientSecret env:'), 'EdxSSOClientSecret', 'env:'],
    [section('EdxSSOClientSecret exec:/bin/false'), 'EdxSSOClientSecret', '/bin/false', 'failed'],
    [section('EdxSSOClientSecret exec:/nowhere/x'), 'EdxSSOClientSecret', '/nowhere/x'],
    [section('EdxSSOClientSecret exec:true'), 'EdxSSOClientSecret', 'absolute path'],
    [section('EdxSSOClientSecret exec:/bin/true'), 'EdxSSOClientSecret', 'is empty'],
    [section('EdxSSOClientSecret exec:/bin/echo two words'), 'EdxSSOClientSecret', 'quote'],
    # keys
    [section("EdxSSOJWKS file:$dir/nowhere"), '<EdxSSOProvider lms edx>', 'EdxSSOJWKS', 'nowhere', 'No such file'],
    [section("EdxSSOJWKS file:$dir/folder"), 'EdxSSOJWKS', 'regular file'],
    [section("EdxSSOJWKS file:$dir/fifo"), 'EdxSSOJWKS', 'fifo', 'regular file'],
    [section("EdxSSOJWKS file:$dir/bad.json"), 'EdxSSOJWKS', 'JWK set'],
    [section("EdxSSOJWKS file:$dir/nokeys.json"), 'EdxSSOJWKS', 'key'],
    [section("EdxSSOJWKS file:$dir/list.json"), 'EdxSSOJWKS', 'JWK set'],
    [section("EdxSSOJWKS file:$dir/empty"), 'EdxSSOJWKS'],
    [section('EdxSSOJWKS keys'), 'EdxSSOJWKS', "'keys'", 'file:/path', 'https://'],
    [section("EdxSSOJWKS '{\"keys\": 7}'"), 'EdxSSOJWKS', 'JWK set|keys'],
    [section('EdxSSOJWKS https:///x'), 'EdxSSOJWKS', 'https:///x'],
    [section('-EdxSSOJWKS', 'EdxSSOJWSHMACKey short'), 'EdxSSOJWSHMACKey'],
    [section('-EdxSSOJWKS', 'EdxSSOURLRoot http://lms.example.org', 'EdxSSOTrustTokenEndpoint on'), 'EdxSSOTrustTokenEndpoint', 'https'],
    [section('<EdxSSOProvider campus entra>', 'EdxSSOTenant contoso.com', 'EdxSSODiscovery off',
        map { "EdxSSOEndpoint $_ https://login.test/$_" } qw(authorization token jwks)), 'SSO0485', 'contoso.com', 'EdxSSOIssuer'],
    # two of a kind
    [section('EdxSSOCallbackPath /back') . section('<EdxSSOProvider two edx>', 'EdxSSOCallbackPath /back'), 'EdxSSOCallbackPath', "'lms'", "'two'", '/back'],
);
for my $case (@mistakes) {
    my ($config, @parts) = @$case;
    (my $name = (grep { !/^<\/|^$/ } split /\n/, $config)[-1] // '') =~ s/\Q$dir\E/DIR/g;
    $name = "$parts[0]: $name";
    in_time(5, "$name: at once", sub {
        ($exit, $output) = eval { local $SIG{ALRM} = sub { die "hangs\n" }; alarm 60; EdxSSO::Httpd->config_test($config) };
        alarm 0;
        $output //= $@;
    });
    isnt($exit, 0, "$name: refused");
    like($output, qr/$_/, "$name: says $_") for map { /\\d|\|/ ? $_ : quotemeta } @parts;
    unlike($output, qr/SECRETFROMFILE|REDISSECRET/, "$name: no secret");
}

# all mistakes of one run
($exit, $output) = EdxSSO::Httpd->config_test("EdxSSOPath /\nEdxSSOStore x:\nEdxSSOReturnHosts a/b\n" . section('-EdxSSOURLRoot')
    . section('<EdxSSOProvider two edx>', '-EdxSSOJWKS') . sprintf($place, 'EdxSSOUse three'));
like($output, qr/$_/, "all at once: $_") for qw(EdxSSOPath: EdxSSOStore: EdxSSOReturnHosts: EdxSSOURLRoot.is.missing), 'provider.two|two edx', 'EdxSSOUse: ';
my $lines = () = $output =~ /SSO\d{4}:/g;
cmp_ok($lines, '==', 6, 'all at once: six lines') or diag($output);
($exit, $output) = EdxSSO::Httpd->config_test("EdxSSOOne x\nEdxSSOTwo y\n");
$lines = () = $output =~ /SSO0050:/g;
is($lines, 2, 'two names that are none: two lines');

# ---- no mistakes
my %env = (LMS_SECRET => 'SECRETFROMENV');
my @good = (
    ['a secret in the environment', section('EdxSSOClientSecret env:LMS_SECRET')],
    ['a secret of a program', section('EdxSSOClientSecret "exec:/bin/echo SECRETFROMEXEC"')],
    ['a literal secret', section('EdxSSOClientSecret SECRETLITERAL')],
    ['a public client', section('-EdxSSOClientSecret', 'EdxSSOClientAuth none')],
    ['keys by URL', section('EdxSSOJWKS https://lms.example.org/keys')],
    ['a shared secret', section('-EdxSSOJWKS', 'EdxSSOJWSHMACKey ' . 'k' x 64)],
    ['any case', section('edxssoclientid x')],
    ['server-level defaults', "EdxSSOClientID shared\nEdxSSOJWKS $JWKS\n" . section('-EdxSSOClientID', '-EdxSSOJWKS')],
    ['shm', "EdxSSOStore shm:1M\n" . section()], ['shm in bytes', "EdxSSOStore shm:2097152\n" . section()],
    ['redis', "EdxSSOStore redis://localhost:6379/1\n" . section()],
    ['redis by socket', "EdxSSOStore redis+unix:///run/redis.sock\n" . section()],
    ['several secrets', "EdxSSOSecret " . 'a' x 40 . ' ' . 'b' x 40 . "\n" . section()],
    ['no provider at all', ''],
    ['a section that is only a client, with a directive of sign-ins', section('<EdxSSOProvider campus entra>',
        'EdxSSOTenant contoso.com', 'EdxSSOSignIn off', 'EdxSSOGroups names')],
    ['two providers', section() . section('<EdxSSOProvider two edx>')],
    ['a provider of one virtual host', "<VirtualHost *>\n" . section() . sprintf($place, 'EdxSSOUse lms') . "</VirtualHost>\n"],
);
for my $case (@good) {
    my ($name, $config) = @$case;
    ($exit, $output) = EdxSSO::Httpd->config_test($config, env => \%env);
    is($exit, 0, "$name: taken") or diag($output);
    unlike($output, qr/SSO\d{4}/, "$name: without a word") or diag($output);
}

# ---- worth a word
my @warned = (
    ['http', section('EdxSSOURLRoot http://lms.example.org'), 'SSO0047', 'http'],
    ['a file that everybody can read', section("EdxSSOClientSecret file:$dir/open"), 'SSO0031', 'chmod'],
    ['idle longer than max', "EdxSSOSessionIdle 5h\nEdxSSOSessionMax 1h\n" . section(), 'SSO0054', 'EdxSSOSessionMax'],
    ['an empty prefix without a list', section() . sprintf($place, 'EdxSSOClaimPrefix ""'), 'SSO1411', 'EdxSSOExportClaims'],
    ['SameSite Strict', "EdxSSOCookieSameSite Strict\n" . section(), 'SSO0055', 'Strict'],
);
for my $case (@warned) {
    my ($name, $config, @parts) = @$case;
    ($exit, $output) = EdxSSO::Httpd->config_test($config);
    is($exit, 0, "$name: taken");
    like($output, qr/$_/, "$name: says $_") for @parts;
}
($exit, $output) = EdxSSO::Httpd->config_test(section('EdxSSOURLRoot http://127.0.0.1:1') . section('<EdxSSOProvider two edx>', 'EdxSSOURLRoot http://localhost:1'));
unlike($output, qr/SSO0047/, 'http on this machine is worth none');

# ---- DUMP_EDXSSO
sub dumped { my ($config) = @_; my (undef, $text) = EdxSSO::Httpd->config_test($config, env => \%env, defines => ['DUMP_EDXSSO']); return $text }
{
    open my $out, '>', "$dir/cookies" or die "$!\n";
    print {$out} 'c' x 40;
    close $out;
    chmod 0600, "$dir/cookies";
}
my ($short) = (EdxSSO::Httpd->config_test("EdxSSOSecret tooshort\n" . section()))[1];
like($short, qr/SSO0122: EdxSSOSecret: .*at least 16/, 'a short EdxSSOSecret is seen before anybody restarts with it');
my $dump = dumped("EdxSSOSecret LITERALCOOKIESECRET0123456789abcdef file:$dir/cookies\nEdxSSOStore redis://user:REDISPASSWORD\@h:1/2\n"
    . section('EdxSSOScope user_id') . section('<EdxSSOProvider env edx>', 'EdxSSOClientSecret env:LMS_SECRET')
    . section('<EdxSSOProvider exec edx>', 'EdxSSOClientSecret "exec:/bin/echo SECRETFROMEXEC --password=SECRETARGUMENT"')
    . section('<EdxSSOProvider word edx>', 'EdxSSOClientSecret SECRETLITERAL', 'EdxSSOJWSHMACKey ' . 'HMACSECRET' x 8)
    . "<VirtualHost *:1>\nServerName v.test\n" . section('<EdxSSOProvider lms edx>', '-EdxSSOURLRoot', '-EdxSSOClientID', '-EdxSSOClientSecret',
        '-EdxSSOJWKS', 'EdxSSOClientID other', 'EdxSSOClockSkew 60s') . "</VirtualHost>\n");
like($dump, qr/<EdxSSOProvider $_ edx>/, "dump: $_") for qw(lms env exec word);
like($dump, qr/EdxSSOURLRoot https:\/\/lms\.example\.org$/m, 'dump: roots');
like($dump, qr/EdxSSOScope user_id$/m, 'dump: scopes');
like($dump, qr/EdxSSOScope user_id profile email$/m, 'dump: presets of the type');
like($dump, qr/EdxSSOSessionIdle 2h$/m, 'dump: presets of the server');
like($dump, qr{token endpoint: https://lms\.example\.org/oauth2/access_token}, 'dump: endpoints');
like($dump, qr{issuers: https://lms\.example\.org/oauth2}, 'dump: issuers');
like($dump, qr/EdxSSOClientSecret \Q$secret\E$/m, 'dump: where a secret is');
like($dump, qr/EdxSSOClientSecret env:LMS_SECRET$/m, 'dump: which variable');
like($dump, qr/EdxSSOClientSecret exec:\*\*\*$/m, 'dump: a command is masked');
like($dump, qr/EdxSSOClientSecret \*\*\*$/m, 'dump: a literal is masked');
like($dump, qr{EdxSSOStore redis://\*\*\*\@h:1/2$}m, 'dump: a password is masked');
unlike($dump, qr/SECRETFROM|SECRETLITERAL|HMACSECRET|LITERALCOOKIE|REDISPASSWORD|SECRETARGUMENT/, 'dump: no secret');
my $private = dumped(section(q(EdxSSOJWKS '{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)
    . q("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fJE9-E9LI"}]}')));
like($private, qr/EdxSSOJWKS \*\*\*$/m, 'dump: private keys that should not be in a JWK set are masked');
unlike($private, qr/jpsQnnGQ/, 'dump: and nowhere else');
my ($inner) = $dump =~ /(virtual host v\.test.*)/s;
my ($lms) = ($inner // '') =~ /(<EdxSSOProvider lms edx>.*?<\/EdxSSOProvider>)/s;
like($lms // '', qr/EdxSSOClientID other$/m, 'a virtual host overrides what it sets');
like($lms // '', qr/EdxSSOURLRoot https/, 'and has the rest');
$dump = dumped("EdxSSOClockSkew 5m\nEdxSSOPKCE off\n" . section('EdxSSOClockSkew 60s')
    . "<VirtualHost *:1>\nServerName v.test\n<EdxSSOProvider lms edx>\nEdxSSOPKCE on\n</EdxSSOProvider>\n</VirtualHost>\n");
my @lms = $dump =~ /(<EdxSSOProvider lms edx>.*?<\/EdxSSOProvider>)/gs;
like($lms[0], qr/EdxSSOClockSkew 1m$/m, 'setting a value that is the preset overrides the server');
like($lms[0], qr/EdxSSOPKCE off$/m, 'what is not set is the server\'s');
like($lms[1], qr/EdxSSOPKCE on$/m, 'and so does it in a virtual host');
like($lms[1], qr/EdxSSOClockSkew 1m$/m, 'which keeps the section\'s');

# ---- running: the smallest configuration as it stands, .htaccess, the kept secret
my $root = $ENV{LMS_ROOT};
write_file('lms.secret', "studio-secret\n");
my $small = <<"END";
<EdxSSOProvider lms edx>
    EdxSSOURLRoot        $root
    EdxSSOPublicURLRoot  $root
    EdxSSOClientID       studio-sso
    EdxSSOClientSecret   file:$dir/lms.secret
    EdxSSOJWKS           $JWKS
</EdxSSOProvider>

<Location "/studio">
    AuthType edxsso
    Require  valid-user
</Location>
Alias /studio \@DIR\@/htdocs
<Directory \@DIR\@/htdocs>
    AllowOverride AuthConfig
    Require all granted
</Directory>
<Directory \@DIR\@/htdocs/claims>
    EdxSSOClaimPrefix ""
</Directory>
Header always set X-Email "expr=%{HTTP:Email}"
Header always set X-User "expr=%{REMOTE_USER}"
Header always set X-Provider "expr=%{reqenv:EDXSSO_PROVIDER}"
END
my $httpd = EdxSSO::Httpd->new(config => $small);
sub page { my ($name, $text) = @_; open my $out, '>', $httpd->dir . "/htdocs/$name" or die "$name: $!\n"; print {$out} $text; close $out; return }
page('index.html', 'CANARY');
mkdir $httpd->dir . '/htdocs/' . $_ for qw(api bad prefix claims);
page("$_/index.html", 'CANARY') for qw(api bad prefix claims);
page('api/.htaccess', "AuthType edxsso\nRequire user jsmith\nEdxSSOUnauthenticated 401\nEdxSSOExport none\n");
page('bad/.htaccess', "EdxSSOPath /x\n");
page('claims/.htaccess', "AuthType edxsso\nRequire valid-user\nEdxSSOExportClaims email\n");
page('prefix/.htaccess', "EdxSSOClaimPrefix X_\n");
$httpd->start;
lms_reset();
my $browser = EdxSSO::Browser->new(base => $httpd->url);
my $answer = $browser->follow($browser->get('/studio/index.html'));
is($answer->status . ' ' . $answer->body, '200 CANARY', 'the smallest configuration works');
is($answer->header('X-User'), 'jsmith', 'and says who is there');
is($answer->header('X-Provider'), 'lms', 'and through whom');
is($browser->get('/api/index.html')->status, 200, '.htaccess: signed in');
is($browser->get('/api/index.html')->header('X-Provider') // '', '', '.htaccess: EdxSSOExport');
is($browser->get('/claims/index.html', headers => [['Email', 'SPOOFED'], ['EMAIL', 'SPOOFED', 1]])->header('X-Email'), 'jsmith@example.com',
    '.htaccess: a claim without a prefix, and what a client sent by its name');
$answer = EdxSSO::Browser->new(base => $httpd->url)->get('/api/index.html');
is($answer->status, 401, '.htaccess: EdxSSOUnauthenticated');
is($browser->get("/$_/index.html")->status, 500, ".htaccess: $_ is not allowed there") for qw(bad prefix);
for my $file (glob $httpd->dir . '/state/*') {
    is(sprintf('%04o', (stat $file)[2] & 07777), '0600', "$file: 0600") if -f $file;
}
my $cookie = $browser->clone;
$httpd->stop;
$httpd->start;
is($cookie->get('/studio/index.html')->status, 200, 'a restart keeps the session');
$httpd->stop;
chmod 0644, $httpd->dir . '/state/secret';
$httpd->_run('-k start >' . $httpd->dir . '/logs/start 2>&1'); # start() would wait for a port that never opens
ok($httpd->wait_until(sub { $httpd->log_text =~ /secret.*0600/ }), 'a kept secret that others can read: no start, and why')
    or diag($httpd->log_text);
$httpd->stop;
done_testing();
