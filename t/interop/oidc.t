# SPDX-License-Identifier: Apache-2.0
# Sign-in at an OpenID provider that nobody here wrote: the package oidc-provider of the npm registry,
# which is certified by the OpenID Foundation, in t/interop/oidc. Providers and httpd are this test's own.
# Needs nodejs 18 or newer and npm; the packages are installed into NODE_DIR (default: t/logs/node).
use strict;
use warnings;
use utf8;
use Cwd ();
use Digest::SHA ();
use Encode ();
use File::Copy ();
use File::Path ();
use File::Temp ();
use JSON::PP ();
use LWP::UserAgent;
use MIME::Base64 ();
use EdxSSO::Test;
use EdxSSO::Httpd;
use EdxSSO::Servers;
use EdxSSO::SignIn qw(without_id);

binmode Test::More->builder->$_, ':encoding(UTF-8)' for qw(output failure_output todo_output);

# ---- the packages, installed outside of the sources, and again only when their list changes

sub text_of { my ($file) = @_; open my $in, '<', $file or return ''; local $/; return <$in> }

# What is lacking, or nothing.
sub install {
    my ($dir) = @_;
    my $version = `node --version 2>&1` || '';
    return 'needs nodejs 18 or newer' unless $version =~ /^v(\d+)/ && $1 >= 18;
    File::Path::make_path($dir);
    my $list = text_of('t/interop/oidc/package-lock.json');
    if (text_of("$dir/installed") ne $list) {
        unlink "$dir/installed";
        File::Copy::copy("t/interop/oidc/$_", "$dir/$_") or die "$dir/$_: $!\n" for qw(package.json package-lock.json);
        my $npm = 'npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-timeout=20000';
        my $said = `cd '$dir' && $npm 2>&1`;
        return "npm could not install the packages: $said" if $?;
        File::Copy::copy("$dir/package-lock.json", "$dir/installed");
    }
    File::Copy::copy('t/interop/oidc/server.js', "$dir/server.js") or die "$dir/server.js: $!\n";
    return;
}

my $node_dir = $ENV{NODE_DIR} || Cwd::getcwd() . '/t/logs/node';
if (my $lack = install($node_dir)) {
    die $lack if $ENV{CI}; # there they have to be
    plan(skip_all => substr $lack =~ s/\s+/ /gr, 0, 200);
}

# ---- keys and certificates of the clients, and of the provider that is reached by TLS

my $files = File::Temp::tempdir('edxsso-oidc-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $files;

sub openssl {
    my (@arguments) = @_;
    system("openssl @arguments >/dev/null 2>&1") == 0 or die "openssl @arguments\n";
    return;
}
my %KIND = (rsa => '-algorithm RSA -pkeyopt rsa_keygen_bits:2048',
    ec => '-algorithm EC -pkeyopt ec_paramgen_curve:P-256');
for my $name (qw(client-rsa client-ec server enc-rsa enc-ec)) {
    my ($kind) = $name =~ /-(\w+)/;
    my $key = $name =~ /^enc/ ? "$files/$name.pem" : "$files/$name.key";
    openssl('genpkey', $KIND{ $kind // 'rsa' }, '-out', $key);
    openssl("req -x509 -key $key -out $files/$name.pem -days 2 -subj /CN=$name -addext subjectAltName=IP:127.0.0.1")
        unless $name =~ /^enc/;
    chmod 0600, $key;
}

# ---- two providers, and a site with a place for each section

my $port = EdxSSO::Httpd::free_port();
my $tls_port = EdxSSO::Httpd::free_port();
my ($site, $tls_site) = ("http://localhost:$port", "https://localhost:$tls_port");

sub start_provider {
    my ($servers, @more) = @_;
    return $servers->start('node', "$node_dir/server.js", '--files', $files, '--site', $site,
        '--tls-site', $tls_site, @more);
}
my $servers = EdxSSO::Servers->new;
my $provider = start_provider($servers);
my ($provider_port) = $provider =~ /:(\d+)$/;
my $tls_servers = EdxSSO::Servers->new;
my $tls_provider = start_provider($tls_servers, '--tls');

my @PUSH = ('EdxSSOPAR off'); # what most of them have
my $KEYS = "EdxSSOClientAuth private_key_jwt\n    EdxSSOClientCertificate $files/client";
my $ENC = 'EdxSSODecryptionKey ' . $files;

# name, client if it is not the name, other lines
my @SECTIONS = (
    ['rs256', undef, @PUSH],
    ['ps256', undef, @PUSH, 'EdxSSOAuthParam ui_locales "de en"'],
    ['es256', undef, @PUSH],
    ['hs256', undef, @PUSH, 'EdxSSOAlgorithms HS256'],
    ['eddsa', undef, @PUSH],
    ['rsaoaep', undef, @PUSH, "$ENC/enc-rsa.pem"],
    ['rsaoaep256', undef, @PUSH, "$ENC/enc-rsa.pem"],
    ['ecdhes', undef, @PUSH, "$ENC/enc-ec.pem"],
    ['ecdheskw', undef, @PUSH, "$ENC/enc-ec.pem"],
    ['sealedinfo', undef, @PUSH, "$ENC/enc-ec.pem"],
    ['basic', undef, @PUSH, 'EdxSSOClientAuth client_secret_basic'],
    ['secretjwt', undef, @PUSH, 'EdxSSOClientAuth client_secret_jwt'],
    ['keyjwt', undef, @PUSH, "$KEYS-rsa.pem $files/client-rsa.key"],
    ['keyjwtec', undef, @PUSH, "$KEYS-ec.pem $files/client-ec.key"],
    ['public', undef, @PUSH, 'EdxSSOClientAuth none'],
    ['signedinfo', undef, @PUSH],
    ['pushed', undef, 'EdxSSOPAR on'],
    ['pushedkey', undef, "$KEYS-rsa.pem $files/client-rsa.key"],
    ['certificate', undef, @PUSH, 'EdxSSOClientAuth tls_client_auth',
        "EdxSSOClientCertificate $files/client-rsa.pem $files/client-rsa.key"],
    # those that cannot work, or see less
    ['nocertificate', 'certificate', @PUSH, 'EdxSSOClientAuth tls_client_auth',
        "EdxSSOClientCertificate $files/client-ec.pem $files/client-ec.key"],
    ['nokey', 'rsaoaep', @PUSH],
    ['wrongalg', 'rs256', @PUSH, 'EdxSSOAlgorithms ES256'],
    ['wrongword', 'rs256', @PUSH, 'EdxSSOClientSecret wrong'],
    ['wrongissuer', 'rs256', @PUSH, "EdxSSOIssuer $provider/other",
        "EdxSSODiscovery $provider/.well-known/openid-configuration"],
    ['slash', 'rs256', @PUSH, "EdxSSOIssuer $provider/"],
    ['nopkce', 'rs256', @PUSH, 'EdxSSOPKCE off'],
    ['nouserinfo', 'rs256', @PUSH, 'EdxSSOUserInfo off', 'EdxSSONonce off'],
    ['notpushed', 'pushed', @PUSH],
);
my $show = Cwd::abs_path('t/htdocs/show.cgi');

sub section {
    my ($name, $client, @lines) = @_;
    $client //= $name;
    my $root = $client eq 'certificate' ? $tls_provider : $provider;
    unshift @lines, "EdxSSOIssuer $root" unless grep { /^EdxSSOIssuer/ } @lines;
    unshift @lines, qq(EdxSSOClientSecret "$client: a secret of decent length: 100% + & ~")
        unless grep { /^EdxSSOClient(Secret|Auth (private|tls|none))/ } @lines;
    return "<EdxSSOProvider $name oidc>\n" . join('', map { "    $_\n" } "EdxSSOClientID $client", @lines)
        . "</EdxSSOProvider>\nScriptAlias /$name $show\n<Location /$name>\n    AuthType edxsso\n"
        . "    EdxSSOUse $name\n    Require valid-user\n</Location>\n";
}

# programs with tokens, and a place that shows them
my $apis = section('api', 'rs256', @PUSH, 'EdxSSOAudience https://api.example.org')
    . section('asked', 'rs256', @PUSH) . section('tokens', 'rs256', @PUSH) . "<Location /tokens>\n    EdxSSOPassToken access id refresh\n</Location>\n"
    . join '', map { "<Location /$_>\n    EdxSSOCredentials bearer\n</Location>\n" } qw(api asked);

my $config = "EdxSSOHTTPCAFile $files/server.pem\n" . join('', map { section(@$_) } @SECTIONS) . $apis
    . "Listen 127.0.0.1:$tls_port\n<VirtualHost 127.0.0.1:$tls_port>\nServerName $tls_site\n"
    . "SSLEngine on\nSSLCertificateFile $files/server.pem\nSSLCertificateKeyFile $files/server.key\n"
    . section('posted', undef, @PUSH, 'EdxSSOResponseMode form_post') . section('query', 'posted', @PUSH)
    . "</VirtualHost>\n";
my $httpd = EdxSSO::Httpd->new(port => $port, config => Encode::encode('UTF-8', $config), mpm => 'event',
    modules => [qw(cgid ssl)])->start;
$httpd->wait_until(sub { @{ [$httpd->children] } >= 3 }); # two servers and the one for CGI programs
EdxSSO::Log->watch($httpd->error_log, $httpd->pid_file);
allow_log('SSO0564'); # who is signed in

# ---- tools

my $agent = LWP::UserAgent->new(env_proxy => 0, max_redirect => 0, timeout => 30,
    ssl_opts => { verify_hostname => 0, SSL_verify_mode => 0 });

sub control {
    my ($path, $change, $root) = @_;
    my $url = ($root // $provider) . "/_ctl/$path";
    my $answer = $change ? $agent->post($url, Content => JSON::PP::encode_json($change)) : $agent->get($url);
    die "$url: " . $answer->as_string unless $answer->is_success;
    return JSON::PP::decode_json($answer->content);
}

sub new_browser { my ($root) = @_; return EdxSSO::Browser->new(base => $root // $site) }

sub is_login_form { return $_[0]->status == 200 && $_[0]->body =~ /id="login"/ }

# The hidden fields of a form and where it goes.
sub form_of {
    my ($page) = @_;
    my %entity = (amp => '&', quot => '"', lt => '<', gt => '>', '#39' => q('), '#x27' => q('));
    my $plain = sub { $_[0] =~ s{&([\w#]+);}{$entity{$1} // "&$1;"}ger };
    my ($action) = $page->body =~ /<form\b[^>]*\baction="([^"]*)"/;
    my @fields = map { $plain->($_) } $page->body =~ /<input type="hidden" name="([^"]*)" value="([^"]*)"/g;
    return ($plain->($action // ''), \@fields);
}

# From a place of the site to the redirect by which the provider sends the browser back (or, if it
# does not, to where that ends), login form and all.
sub up_to_callback {
    my ($browser, $place, $user, $what) = @_;
    my $before = sub { ($_[0]->location // '') !~ m{^\Q$browser->{base}\E/edxsso/callback/} };
    my $answer = $browser->follow($browser->get($place), while => $before);
    return $answer unless is_login_form($answer);
    my $form = $what // 'login=' . EdxSSO::Browser::escape($user);
    return $browser->follow($browser->get($answer->url . "?$form"), while => $before);
}

sub sign_in {
    my ($browser, $place, $user, $what) = @_;
    return $browser->follow(up_to_callback($browser, $place, $user, $what));
}

sub environment { return map { /^(\w+)=(.*)/ ? ($1 => $2) : () } split /\n/, Encode::decode('UTF-8', $_[0]->body) }

sub token_header { return JSON::PP::decode_json(MIME::Base64::decode_base64url($_[0] =~ s/\..*//sr)) }

sub failed {
    my ($answer, $status, $number, $name) = @_;
    is($answer->status, $status, "$name: $status");
    like($answer->header('Content-Type'), qr{^text/html}, "$name: a page");
    unlike(without_id($answer), qr/secret|eyJ/, "$name: which keeps its secrets");
    expect_log($number, $name);
    return;
}

my %ZOE = (sub => 'zoe', name => 'Zoë Müller', preferred_username => 'zoe', email => 'zoe@example.org',
    email_verified => 'true');
my %SEES = (EDXSSO_USER_ID => 'zoe', EDXSSO_USERNAME => 'zoe', EDXSSO_EMAIL => $ZOE{email}, EDXSSO_NAME => $ZOE{name},
    HTTP_EDXSSO_NAME => $ZOE{name}, REMOTE_USER => 'zoe@127.0.0.1', HTTP_REMOTE_USER => 'zoe@127.0.0.1',
    AUTH_TYPE => 'edxsso', EDXSSO_CLAIM_nonce => undef, EDXSSO_CLAIM_aud => undef,
    map { ("EDXSSO_CLAIM_$_" => $ZOE{$_}) } keys %ZOE);

# Zoë signs in and the app sees all of her. Returns what the provider was asked, by path.
sub works {
    my ($name, %option) = @_;
    my $root = $option{root} // $provider;
    control('requests', undef, $root);
    my $browser = new_browser($option{site});
    my $answer = $option{way} ? $option{way}->($browser) : sign_in($browser, "/$name/a?b=c", 'zoe');
    is($answer->status, 200, "$name: signed in") or diag($answer->url, "\n", (log_lines(qr/SSO[0-9]+:/))[-1]);
    is($answer->url, $browser->{base} . "/$name/a?b=c", "$name: back where it began");
    my %sees = environment($answer);
    my %want = (%SEES, EDXSSO_PROVIDER => $name, EDXSSO_CLAIM_iss => $root);
    is_deeply({ map { $_ => $sees{$_} } keys %want }, \%want, "$name: the app sees what the provider has");
    my %asked;
    push @{ $asked{ $_->{path} } }, $_ for @{ control('requests', undef, $root) };
    is(@{ $asked{'/token'} // [] }, 1, "$name: one token request");
    is(@{ $asked{'/me'} // [] }, 1, "$name: one userinfo request");
    return \%asked;
}

# The request that the provider went by had state, nonce and PKCE, and the verifier fits.
sub is_bound {
    my ($name, $asked, $said) = @_;
    my $body = $asked->{'/token'}[0]{body};
    like($said->{$_} // '', qr/^[\w-]{22,}/, "$name: $_ is sent") for qw(state nonce);
    is($said->{code_challenge_method}, 'S256', "$name: PKCE by S256");
    is(MIME::Base64::encode_base64url(Digest::SHA::sha256($body->{code_verifier} // '')), $said->{code_challenge},
        "$name: the verifier is what the challenge was made of");
    is($said->{scope}, 'openid profile email', "$name: the scope");
    is($body->{redirect_uri}, $said->{redirect_uri}, "$name: the same redirect URI both times");
    return $body;
}

# ---- algorithms of id_tokens, among keys of which some cannot be used

for my $name (qw(rs256 ps256 es256 hs256)) {
    my $asked = works($name);
    my $body = is_bound($name, $asked, $asked->{'/auth'}[0]{query});
    is($body->{client_secret}, "$name: a secret of decent length: 100% + & ~", "$name: client_secret_post");
    is($asked->{'/auth'}[0]{query}{ui_locales}, $name eq 'ps256' ? 'de en' : undef, "$name: EdxSSOAuthParam");
    is($asked->{'/me'}[0]{authorization}, 'Bearer', "$name: userinfo by a bearer token in the header");
}
failed(sign_in(new_browser(), '/eddsa', 'zoe'), 400, 'SSO0156', 'EdDSA, which is not taken');

# ---- encrypted id_tokens

works($_) for qw(rsaoaep rsaoaep256 ecdhes ecdheskw);
works('sealedinfo');
failed(sign_in(new_browser(), '/nokey', 'zoe'), 500, 'SSO0164', 'an encrypted id_token, and no EdxSSODecryptionKey');

# ---- how the site proves who it is

{
    my $asked = works('basic')->{'/token'}[0];
    is($asked->{authorization}, 'Basic', 'client_secret_basic: the header');
    is_deeply([sort keys %{ $asked->{body} }], [qw(code code_verifier grant_type redirect_uri)],
        '... and nothing of it in the body');
}
for my $case (['secretjwt', 'HS256'], ['keyjwt', 'PS256'], ['keyjwtec', 'ES256']) {
    my ($name, $alg) = @$case;
    my $asked = works($name);
    my $body = is_bound($name, $asked, $asked->{'/auth'}[0]{query});
    is(token_header($body->{client_assertion})->{alg}, $alg, "$name: the assertion is signed by $alg");
    ok(!exists $body->{client_secret}, "$name: and no secret is sent");
}
{
    my $asked = works('public');
    my $body = is_bound('public', $asked, $asked->{'/auth'}[0]{query});
    is_deeply([sort keys %$body], [qw(client_id code code_verifier grant_type redirect_uri)], 'none: only who it is');
}
works('certificate', root => $tls_provider);
failed(sign_in(new_browser(), '/nocertificate', 'zoe'), 502, 'SSO0401', 'the certificate of somebody else');
like((log_lines(qr/SSO0401/))[-1], qr/error=invalid_client/, '... which the provider refuses');

# ---- pushed authorization requests

for my $name (qw(pushed pushedkey)) {
    my $asked = works($name);
    my $said = $asked->{'/request'}[0]{body};
    is_bound($name, $asked, $said);
    is_deeply([sort keys %{ $asked->{'/auth'}[0]{query} }], [qw(client_id request_uri)],
        "$name: the browser carries nothing but the reference");
    ok($said->{ $name eq 'pushed' ? 'client_secret' : 'client_assertion' }, "$name: pushed by the client itself");
}
{
    my $answer = sign_in(new_browser(), '/notpushed', 'zoe');
    failed($answer, 502, 'SSO0561', 'EdxSSOPAR off where the provider demands it');
    like((log_lines(qr/SSO0561/))[-1], qr/error=invalid_request/, '... which the log names');
}

# ---- userinfo

{
    works('signedinfo');
    my %sees = environment(sign_in(new_browser(), '/nouserinfo', 'zoe'));
    is($sees{REMOTE_USER}, 'zoe@127.0.0.1', 'without userinfo, and without a nonce: signed in');
    is($sees{EDXSSO_CLAIM_email}, undef, '... but the id_token alone has no email');
    my ($auth) = grep { $_->{path} eq '/auth' } @{ control('requests') };
    ok(!exists $auth->{query}{nonce}, 'EdxSSONonce off: none is sent');
    %sees = environment(sign_in(new_browser(), '/es256', 'o.odd+tag/x'));
    is($sees{REMOTE_USER}, 'o.odd+tag/x@127.0.0.1', 'an odd sub');
    is($sees{EDXSSO_NAME}, '日本 😀', 'an odd name');
    is($sees{EDXSSO_CLAIM_email_verified}, 'false', 'false is false');
    control('switches', { userinfo => { sub => 'admin' } });
    failed(sign_in(new_browser(), '/rs256', 'zoe'), 400, 'SSO0481', 'userinfo of somebody else');
    control('switches', { userinfo => { iss => 'https://evil.example', aud => 'x', exp => 1, nonce => 'x' } });
    %sees = environment(sign_in(new_browser(), '/rs256', 'zoe'));
    is($sees{EDXSSO_CLAIM_iss}, $provider, 'userinfo does not overrule the id_token');
    control('switches', {});
}

# ---- form_post: the answer comes by a POST from another site, to https

sub posted {
    my ($browser, $user) = @_;
    my $page = $browser->follow($browser->get('/posted/a?b=c'));
    $page = $browser->follow($browser->get($page->url . "?login=$user")) if is_login_form($page);
    my ($action, $fields) = form_of($page);
    is($action, "$tls_site/edxsso/callback/posted", 'form_post: the form leads to the callback');
    return ($action, $fields);
}
{
    my $asked = works('posted', site => $tls_site, way => sub {
        my ($browser) = @_;
        my ($action, $fields) = posted($browser, 'zoe');
        my $answer = $browser->post($action, $fields, cross_site => 1);
        is($answer->status, 303, 'form_post: 303, so that the browser does not post again');
        return $browser->follow($answer);
    });
    my $said = $asked->{'/auth'}[0]{query};
    is_bound('posted', $asked, $said);
    is($said->{response_mode}, 'form_post', 'posted: response_mode is asked for');
    my $browser = new_browser($tls_site);
    my ($action, $fields) = posted($browser, 'zoe');
    my %is = @$fields;
    ok($is{iss} && $is{state} && $is{code}, 'form_post: code, state, iss');
    failed(new_browser($tls_site)->post($action, $fields, cross_site => 1), 400, 'SSO0554',
        'form_post: a browser that began nothing');
    my $cookie = $browser->cookie(qr/login/);
    is($cookie->{same_site}, 'none', 'form_post: its cookie is one that comes along with a POST');
    is($browser->post($action, $fields, cross_site => 1)->status, 303, 'form_post: the right one');
    failed($browser->post($action, $fields, cross_site => 1), 400, 'SSO0559', 'form_post: a second time');
    is(sign_in(new_browser($tls_site), '/query', 'zoe')->status, 200, 'the same client, answered by query');
}

# ---- the authorization response: iss of RFC 9207, and a user who says no

for my $case (['another iss', '&iss=https%3A%2F%2Fevil.example', 'SSO0562'], ['no iss', '', 'SSO0566']) {
    my ($name, $instead, $number) = @$case;
    my $browser = new_browser();
    my $back = up_to_callback($browser, '/rs256', 'zoe')->location;
    ok($back =~ s/&iss=[^&]*/$instead/, 'the provider says who it is');
    control('requests');
    failed($browser->get($back, cross_site => 1), 400, $number, $name);
    is_deeply([grep { $_->{path} !~ m{^/(?:jwks$|\.well-known)} } @{ control('requests') }], [], '... and the code stays here');
}
failed(sign_in(new_browser(), '/rs256', undef, 'cancel=1'), 403, 'SSO0560', 'the user says no');
like((log_lines(qr/SSO0560/))[-1], qr/access_denied/, '... which the log names');

# ---- who begins it, and what is passed on

{
    my $browser = new_browser();
    my $start = '/edxsso/login?target_link_uri=' . EdxSSO::Browser::escape("$site/rs256/x")
        . '&login_hint=zoe%40x&iss=' . EdxSSO::Browser::escape($provider);
    my $form = $browser->follow($browser->get($start));
    like($form->body, qr/"login_hint":"zoe\@x"/, 'third-party initiated login: the hint arrives');
    my $answer = $browser->follow($browser->get($form->url . '?login=zoe'));
    is($answer->status . $answer->url, "200$site/rs256/x", '... and leads to its target');
    ok(!is_login_form($browser->follow($browser->get('/edxsso/login?provider=rs256'))), 'the provider knows the user');
    ok(is_login_form($browser->follow($browser->get('/edxsso/login?provider=rs256&prompt=login'))),
        'prompt=login: and asks all the same');
}

# ---- what must not work

failed(sign_in(new_browser(), '/wrongword', 'zoe'), 502, 'SSO0401', 'a wrong client secret');
like((log_lines(qr/SSO0401/))[-1], qr/error=invalid_client\b.*\(status 401\)/, '... which the log names');
failed(sign_in(new_browser(), '/wrongalg', 'zoe'), 400, 'SSO0157', 'RS256 where ES256 is allowed');
failed(sign_in(new_browser(), '/nopkce', 'zoe'), 502, 'SSO0561', 'EdxSSOPKCE off where the provider demands it');

# (who fetches metadata ahead of time has complained of them before)
allow_log('SSO0353', 'SSO0371');
for my $name (qw(wrongissuer slash)) {
    my $answer = new_browser()->get("/$name");
    is($answer->status, 502, "$name: metadata of another issuer: 502");
    my ($id) = $answer->body =~ m{<code>([\w-]+)</code>};
    my ($line) = log_lines(qr/\[error id \Q$id\E\]/);
    like($line, qr/SSO0371: .* has the issuer '\Q$provider\E', not '\Q$provider\E\//, "$name: the log names both");
}
{
    is(sign_in(new_browser(), '/ps256', 'zoe')->status, 200, 'another client of the provider');
    control('switches', { replay => 'ps256' });
    failed(sign_in(new_browser(), '/rs256', 'zoe'), 400, 'SSO0472', 'an id_token for another client');
    control('switches', {});
    is(sign_in(new_browser(), '/rs256', 'zoe')->status, 200, 'its own again');
}
{
    my $browser = new_browser();
    my $back = up_to_callback($browser, '/rs256', 'zoe')->location;
    my ($code) = up_to_callback(new_browser(), '/rs256', 'o.odd+tag/x')->location =~ /\bcode=([^&]*)/;
    $back =~ s/\bcode=[^&]*/code=$code/;
    failed($browser->get($back, cross_site => 1), 502, 'SSO0401', q(somebody else's code));
    like((log_lines(qr/SSO0401/))[-1], qr/error=invalid_grant/, '... PKCE: the provider refuses the verifier');
}
{
    control('switches', { replay => 'rs256' });
    failed(sign_in(new_browser(), '/rs256', 'zoe'), 400, 'SSO0475', 'an id_token of an earlier sign-in');
    control('switches', { token => { id_token => undef } });
    failed(sign_in(new_browser(), '/es256', 'zoe'), 502, 'SSO0405', 'no id_token');
    control('switches', { token => { access_token => 'another' } });
    failed(sign_in(new_browser(), '/es256', 'zoe'), 400, 'SSO0476', 'an access token that at_hash does not fit');
    control('switches', {});
}

# ---- programs with its tokens

# What a place says to a token.
sub presents {
    my ($place, $token) = @_;
    return new_browser()->get($place, as => 'plain', headers => [['Authorization', "Bearer $token"]]);
}

sub refuses {
    my ($place, $token, $name) = @_;
    my $answer = presents($place, $token);
    is($answer->status, 401, "$name: refused");
    like($answer->header('WWW-Authenticate'), qr/error="invalid_token"/, "$name: invalid_token");
    expect_log('SSO1131', $name);
    return;
}

{
    my $agent = LWP::UserAgent->new(env_proxy => 0, timeout => 30);
    my $grant = sub {
        my $answer = $agent->post("$provider/token", { grant_type => 'client_credentials', client_id => 'machine',
            client_secret => 'machine: a secret of decent length: 100% + & ~', @_ });
        die $answer->as_string unless $answer->is_success;
        return JSON::PP::decode_json($answer->content)->{access_token};
    };
    my $jwt = $grant->(resource => 'https://api.example.org', scope => 'api:read');
    is(token_header($jwt)->{typ}, 'at+jwt', 'an access token by RFC 9068');
    for (1, 2) {
        my %sees = environment(presents('/api', $jwt));
        is($sees{REMOTE_USER}, 'machine@127.0.0.1', 'is let in, as whom it is of');
        is($sees{EDXSSO_CLAIM_scope}, 'api:read', 'with its scope');
    }
    refuses('/api', $grant->(resource => 'https://other.example.org', scope => 'api:read'), 'for another API');
    refuses('/asked', $jwt, 'at a place of another audience');
    my ($head, $body, $signature) = split /\./, $jwt;
    my $other = MIME::Base64::encode_base64url(MIME::Base64::decode_base64url($body) =~ s/api:read/api:write/r);
    my $none = MIME::Base64::encode_base64url('{"alg":"none","typ":"at+jwt"}');
    my %wrong = (altered => "$head.$other.$signature", unsigned => "$none.$body.", flipped => "$head.$body." . reverse($signature),
        cut => substr($jwt, 0, -4), longer => "${jwt}AAAA");
    refuses('/api', $wrong{$_}, $_) for sort keys %wrong;

    my %sees = environment(sign_in(new_browser(), '/tokens', 'zoe'));
    unlike($sees{EDXSSO_ACCESS_TOKEN}, qr/\./, "a user's access token is opaque");
    my %as = environment(presents('/asked', $sees{EDXSSO_ACCESS_TOKEN}));
    is($as{REMOTE_USER}, 'zoe@127.0.0.1', 'the provider is asked about it: whom it is of');
    is($as{EDXSSO_CLAIM_client_id}, 'rs256', 'and by which client');
    refuses('/asked', "$sees{EDXSSO_ACCESS_TOKEN}x", 'another text');
    refuses('/asked', $sees{EDXSSO_ID_TOKEN}, 'an id_token');
    refuses('/api', $sees{EDXSSO_ID_TOKEN}, 'an id_token, elsewhere');
}

# ---- signing out

{
    my $browser = new_browser();
    is(sign_in($browser, '/rs256', 'zoe')->status, 200, 'signed in');
    my $answer = $browser->get('/edxsso/logout', headers => [['Sec-Fetch-Site', 'same-origin']]);
    my %query = EdxSSO::Browser::query($answer->location);
    is($answer->location =~ s/\?.*//r, "$provider/session/end", 'signing out leads to the provider');
    is($query{post_logout_redirect_uri}, "$site/", '... and says where to go then');
    my $page = $browser->follow($answer);
    my ($action, $fields) = form_of($page);
    is($page->status, 200, 'the provider asks');
    my $before = sub { $_[0]->location !~ m{^\Q$site\E/(\?|$)} };
    my $end = $browser->follow($browser->post($action, [@$fields, logout => 'yes']), while => $before);
    like($end->location, qr{^\Q$site\E/\?state=[\w-]+$}, '... and sends the browser back, with our state');
    ok(is_login_form($browser->follow($browser->get('/rs256'))), 'the next sign-in shows the login form again');
}

# ---- new keys at the provider

{
    my $browser = new_browser();
    my $back = up_to_callback($browser, '/rs256', 'zoe')->location;
    $servers->stop;
    my $answer = $browser->get($back, cross_site => 1);
    failed($answer, 503, 'SSO0306', 'the provider is away');
    ok($answer->header('Retry-After'), '... which is to be tried again');
    is(start_provider($servers, '--port', $provider_port), $provider, 'the provider comes back with new keys');
    for my $name (qw(rs256 es256 ps256 signedinfo rsaoaep)) {
        works($name);
    }
}

done_testing();
$httpd->stop;
