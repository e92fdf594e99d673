# SPDX-License-Identifier: Apache-2.0
# Sign-in against the LMS's own OAuth server: a Django of this machine's Debian with
# django-oauth-toolkit and PyJWT, wrapped as an LMS wraps them (t/interop/dot). Server and httpd are
# this test's own. Browsers find the LMS at another host name than httpd does, as in most installations.
use strict;
use warnings;
use utf8;
use Cwd ();
use Digest::SHA ();
use Encode ();
use File::Temp ();
use JSON::PP ();
use LWP::UserAgent;
use MIME::Base64 ();
use EdxSSO::Test;
use EdxSSO::Httpd;
use EdxSSO::Servers;
use EdxSSO::SignIn qw(without_id);

binmode Test::More->builder->$_, ':encoding(UTF-8)' for qw(output failure_output todo_output);

if (my $lack = `/usr/bin/python3 -c 'import oauth2_provider, jwt, cryptography' 2>&1`) {
    die $lack if $ENV{CI}; # there they have to be
    plan(skip_all => 'needs python3-django-oauth-toolkit: ' . ($lack =~ /(\w+Error:.*)/)[0]);
}

# ---- the LMS, and a site with a place for each section

my $port = EdxSSO::Httpd::free_port();
my $site = "http://localhost:$port";
my $files = File::Temp::tempdir('edxsso-dot-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $files;
my $servers = EdxSSO::Servers->new;
my $lms = $servers->start('/usr/bin/python3', '-B', 't/interop/dot/dot_server.py', '--site', $site,
    '--files', $files, '--public-host', 'lms.localhost');
(my $public = $lms) =~ s/127\.0\.0\.1/lms.localhost/;

# name, client id, secret, other lines
my @SECTIONS = (
    ['lms', 'studio-sso', 'studio-secret', 'EdxSSOCallbackPath /complete/edx-oauth2/', 'EdxSSOAudience openedx'],
    ['hs', 'hs-sso', 'hs-secret: with & and = and ü', "EdxSSOJWSHMACKey file:$files/hs-secret"],
    ['basic', 'basic-sso', 'basic: 100% & ü', 'EdxSSOClientAuth client_secret_basic'],
    ['consent', 'consent-sso', 'consent-secret'],
    ['plain', 'plain-sso', 'plain-secret'],
    ['unregistered', 'studio-sso', 'studio-secret'],
    ['mistaken', 'studio-sso', 'not-the-secret'],
);
my $show = Cwd::abs_path('t/htdocs/show.cgi');
my $config = '';
for my $section (@SECTIONS) {
    my ($name, $id, $secret, @lines) = @$section;
    push @lines, "EdxSSOJWKS file:$files/jwks.json" unless $name eq 'hs';
    $config .= "<EdxSSOProvider $name edx>\n"
        . join('', map { "    $_\n" } "EdxSSOURLRoot $lms", "EdxSSOPublicURLRoot $public",
            "EdxSSOClientID $id", qq(EdxSSOClientSecret "$secret"), @lines)
        . "</EdxSSOProvider>\nScriptAlias /$name $show\n<Location /$name>\n    AuthType edxsso\n"
        . "    EdxSSOUse $name\n    Require valid-user\n</Location>\n";
}
# programs with tokens, and a place that shows them
$config .= "ScriptAlias /token $show\n<Location /token>\n    AuthType edxsso\n    EdxSSOUse lms\n"
    . "    EdxSSOPassToken access\n    Require valid-user\n</Location>\n"
    . "ScriptAlias /api $show\n<Location /api>\n    AuthType edxsso\n    EdxSSOUse lms\n"
    . "    EdxSSOCredentials bearer jwt-cookie\n    Require edxsso-scope user_id\n</Location>\n";
my $httpd = EdxSSO::Httpd->new(port => $port, config => Encode::encode('UTF-8', $config), mpm => 'event',
    modules => ['cgid'])->start;
$httpd->wait_until(sub { @{ [$httpd->children] } >= 3 }); # two servers and the one for CGI programs
EdxSSO::Log->watch($httpd->error_log, $httpd->pid_file);
allow_log('SSO0564'); # who is signed in

# ---- tools

my $agent = LWP::UserAgent->new(env_proxy => 0, max_redirect => 0, timeout => 30);

sub control {
    my ($path, $change) = @_;
    my $url = "$lms/_ctl/$path";
    my $answer = $change ? $agent->post($url, Content => JSON::PP::encode_json($change)) : $agent->get($url);
    die "$url: " . $answer->as_string unless $answer->is_success;
    return JSON::PP::decode_json($answer->content);
}

sub new_browser { return EdxSSO::Browser->new(base => $site) }

# The fields of the form on a page, as a browser would send them without a button.
sub form_fields {
    my ($page) = @_;
    my %entity = (amp => '&', quot => '"', lt => '<', gt => '>', '#x27' => q('), '#39' => q('));
    my %field;
    for my $input ($page->body =~ /<input\b([^>]*)>/g) {
        my %is = $input =~ /([\w-]+)="([^"]*)"/g;
        next if !defined $is{name} || ($is{type} // '') eq 'submit';
        ($field{ $is{name} } = $is{value} // '') =~ s{&([\w#]+);}{$entity{$1} // "&$1;"}ge;
    }
    return %field;
}

sub is_login_form { return $_[0]->status == 200 && $_[0]->url =~ m{^\Q$public\E/login\?} && $_[0]->body =~ /id="login"/ }

# Fill in the LMS's login form. The answer is its redirect.
sub log_in {
    my ($browser, $page, $user) = @_;
    return $browser->post($page->url, { form_fields($page), username => $user, password => $user });
}

# From a place of the site to the redirect by which the LMS sends the browser back, login form and all.
sub up_to_callback {
    my ($browser, $place, $user) = @_;
    my $before = sub { ($_[0]->location // '') !~ m{^\Q$site\E/(edxsso/callback|complete)/} };
    my $answer = $browser->follow($browser->get($place), while => $before);
    $answer = $browser->follow(log_in($browser, $answer, $user), while => $before) if is_login_form($answer);
    return $answer;
}

sub sign_in {
    my ($browser, $place, $user) = @_;
    return $browser->follow(up_to_callback($browser, $place, $user));
}

sub environment { return map { /^(\w+)=(.*)/ ? ($1 => $2) : () } split /\n/, Encode::decode('UTF-8', $_[0]->body) }

sub parameter { my ($url, $name) = @_; my %is = EdxSSO::Browser::query($url); return $is{$name} }

sub failed {
    my ($answer, $status, $number, $name) = @_;
    is($answer->status, $status, "$name: $status");
    like($answer->header('Content-Type'), qr{^text/html}, "$name: a page");
    unlike(without_id($answer), qr/secret|eyJ|Traceback/, "$name: which keeps its secrets");
    expect_log($number, $name);
    return;
}

# ---- who signs in is who the app sees, for every kind of user

my %same = (grant_type => 'authorization-code', iss => "$public/oauth2", version => '1.2.0',
    scopes => [qw(user_id profile email)], filters => ['user:me'], is_restricted => JSON::PP::false());

for my $user ('jsmith', 'zoe', 'jürgen', 'odd.name+tag@x-y_z', 'noname', 'newbie', 'staff', 'admin') {
    my $browser = new_browser();
    my $page = $browser->follow($browser->get('/lms/a?b=c'));
    ok(is_login_form($page), "$user: the LMS shows its login form");
    my $answer = $browser->follow(log_in($browser, $page, $user));
    is($answer->status, 200, "$user: signed in");
    is($answer->url, "$site/lms/a?b=c", "$user: back where it began");
    my $is = control('user/' . EdxSSO::Browser::escape($user));
    my %sees = environment($answer);
    my %want = (REMOTE_USER => $user, EDXSSO_PROVIDER => 'lms', EDXSSO_USERNAME => $user,
        EDXSSO_USER_ID => $is->{user_id}, EDXSSO_EMAIL => $is->{email}, EDXSSO_NAME => $is->{name},
        HTTP_EDXSSO_USERNAME => $user, HTTP_EDXSSO_NAME => $is->{name}, HTTP_REMOTE_USER => $user,
        EDXSSO_CLAIM_scopes => 'user_id,profile,email', EDXSSO_CLAIM_aud => undef, EDXSSO_CLAIM_exp => undef,
        map { ("EDXSSO_CLAIM_$_" => ref $is->{$_} ? ($is->{$_} ? 'true' : 'false') : $is->{$_}) } keys %$is);
    is_deeply({ map { $_ => $sees{$_} } keys %want }, \%want, "$user: the app sees what Django has");
    is_deeply(JSON::PP->new->decode($sees{EDXSSO_CLAIMS}),
        { %same, map { $_ => $is->{$_} } grep { defined $is->{$_} } keys %$is }, "$user: as one object, too");
}
is($agent->post("$lms/login", { username => 'jsmith', password => 'jsmith' })->code, 403,
    'the login form is a real one: not without its token');

# ---- what the LMS is asked

control('requests');
{
    my $browser = new_browser();
    my $back = up_to_callback($browser, '/lms', 'jsmith');
    my ($authorize) = grep { $_->url =~ m{/oauth2/authorize\?} } @{ $browser->{trail} };
    my $kept = control('grant/' . parameter($back->location, 'code'));
    is($kept->{code_challenge}, parameter($authorize->url, 'code_challenge'), 'the toolkit keeps the challenge');
    is($kept->{code_challenge_method}, 'S256', '... as S256');
    is($kept->{redirect_uri}, "$site/complete/edx-oauth2/", '... and EdxSSOCallbackPath as redirect URI');
    like($authorize->url, qr/&scope=user_id(\+|%20)profile(\+|%20)email$/, 'the scope comes last');
    is($browser->follow($back)->status, 200, 'and lets the verifier through');
    my ($request, @more) = @{ control('requests')->{requests} };
    is(@more, 0, 'one token request');
    my %field = map { @$_ } @{ $request->{fields} };
    is(MIME::Base64::encode_base64url(Digest::SHA::sha256($field{code_verifier})), $kept->{code_challenge},
        'the verifier is what the challenge was made of');
    my %fixed = (grant_type => 'authorization_code', client_id => 'studio-sso', client_secret => 'studio-secret',
        redirect_uri => "$site/complete/edx-oauth2/", token_type => 'jwt', asymmetric_jwt => 'true');
    delete @field{qw(code code_verifier)};
    is_deeply(\%field, \%fixed, 'the other fields');
    is($request->{query} . $request->{authorization}, '', 'no query, no Authorization');
    my $answer = sign_in(new_browser(), '/edxsso/login?provider=lms&tpa_hint=saml-campus&next=/lms/x', 'jsmith');
    is($answer->status . $answer->url, "200$site/lms/x", 'a tpa_hint does no harm where nobody knows it');
    is($request->{host}, $lms =~ s{.*/}{}r, 'it goes to EdxSSOURLRoot, not to the public root');
}

# ---- other keys, other ways to prove who the site is

{
    control('switches', { asymmetric => JSON::PP::false() });
    my $answer = sign_in(new_browser(), '/hs', 'zoe');
    my %sees = environment($answer);
    is($sees{EDXSSO_NAME}, 'Zoë Müller – 日本 😀', 'HS256, with an odd client secret in the body: signed in');
    failed(sign_in(new_browser(), '/lms', 'zoe'), 400, 'SSO0160', 'HS256 where only RSA keys are configured');
    control('switches', { asymmetric => JSON::PP::true() });
    failed(sign_in(new_browser(), '/hs', 'zoe'), 400, 'SSO0160', 'RS512 where only a secret is configured');
    control('requests');
    is(sign_in(new_browser(), '/basic', 'zoe')->status, 200, 'client_secret_basic with an odd secret: signed in');
    like(control('requests')->{requests}[0]{authorization}, qr/^Basic /, '... by the header');
}

# ---- the LMS says no

failed(sign_in(new_browser(), '/mistaken', 'jsmith'), 502, 'SSO0401', 'a wrong client secret');
like((log_lines(qr/SSO0401/))[-1], qr/error=invalid_client \(status 401\)/, '... which the log names');

failed(sign_in(new_browser(), '/plain', 'jsmith'), 502, 'SSO0561', 'an application that may not have user_id');
like((log_lines(qr/SSO0561/))[-1], qr/error=invalid_scope/, '... which the log names');

{
    my $browser = new_browser();
    my $answer = sign_in($browser, '/unregistered', 'jsmith');
    is($answer->status, 400, 'a redirect URI that is not registered: 400');
    like($answer->url, qr{^\Q$public\E/oauth2/authorize\?}, '... by the LMS itself');
    like($answer->body, qr/Mismatching redirect URI/, '... which says why');
}

{
    control('switches', { jwt => JSON::PP::false() });
    failed(sign_in(new_browser(), '/lms', 'jsmith'), 502, 'SSO0452', 'an opaque token where a JWT was asked for');
    control('switches', { jwt => JSON::PP::true() });
}

# ---- the user says no, then yes, and is not asked again

{
    my $browser = new_browser();
    my $page = up_to_callback($browser, '/consent', 'jürgen');
    is($page->status, 200, 'the consent page');
    like($page->body, qr/consent-sso/, '... names the application');
    my %field = form_fields($page);
    failed($browser->follow($browser->post($page->url, {%field})), 403, 'SSO0560', 'the user cancels');
    $page = $browser->follow($browser->get('/consent'));
    is($page->status, 200, 'the consent page again');
    my $answer = $browser->follow($browser->post($page->url, { form_fields($page), allow => 'Authorize' }));
    my %sees = environment($answer);
    is($sees{REMOTE_USER}, 'jürgen', 'the user agrees, and is signed in, PKCE and all');
    $browser->drop_cookie(map { $_ => $browser->cookie('edxsso')->{$_} } qw(name domain path));
    %sees = environment($browser->follow($browser->get('/consent')));
    is($sees{REMOTE_USER}, 'jürgen', 'the next time without a question');
}

# ---- codes: once, and only with their own verifier

{
    my $browser = new_browser();
    my $used = up_to_callback($browser, '/lms', 'jsmith')->location;
    is($browser->follow($browser->get($used, cross_site => 1))->status, 200, 'a code is redeemed');
    control('requests');
    failed($browser->get($used, cross_site => 1), 400, 'SSO0559', 'the same answer again');
    is_deeply(control('requests')->{requests}, [], '... and the LMS is not asked');

    my $fresh = up_to_callback($browser, '/edxsso/login?provider=lms', 'jsmith')->location;
    my $code = parameter($used, 'code');
    (my $replay = $fresh) =~ s/\bcode=\w+/code=$code/;
    failed($browser->get($replay, cross_site => 1), 502, 'SSO0401', 'a used code with a fresh state');
    like((log_lines(qr/SSO0401/))[-1], qr/error=invalid_grant \(status 400\)/, '... is refused by the LMS');
}
{
    my $browser = new_browser();
    my $mine = up_to_callback($browser, '/lms', 'jsmith')->location;
    my $other = up_to_callback(new_browser(), '/lms', 'admin')->location;
    my $code = parameter($other, 'code');
    (my $injected = $mine) =~ s/\bcode=\w+/code=$code/;
    failed($browser->get($injected, cross_site => 1), 502, 'SSO0401', q(somebody else's code, fresh and unused));
    like((log_lines(qr/SSO0401/))[-1], qr/error=invalid_grant/, '... PKCE: the LMS refuses the verifier');
}
{
    my $browser = new_browser();
    my $back = up_to_callback($browser, '/lms', 'jsmith')->location;
    control('grant/' . parameter($back, 'code'), { code_challenge => 'x' x 43 });
    failed($browser->get($back, cross_site => 1), 502, 'SSO0401', 'a challenge that was swapped underway');
}

# ---- signing out, from either side

{
    my $browser = new_browser();
    is(sign_in($browser, '/lms', 'jsmith')->status, 200, 'signed in');
    my $answer = $browser->get('/edxsso/logout', headers => [['Sec-Fetch-Site', 'same-origin']]);
    my %query = EdxSSO::Browser::query($answer->location);
    like($answer->location, qr{^\Q$public\E/logout\?}, 'signing out leads to the LMS');
    is_deeply(\%query, { client_id => 'studio-sso', redirect_url => "$site/" }, '... and says who, and where to');
    my $page = $browser->follow($answer);
    is($page->status, 200, 'the LMS: a page');
    like($page->body, qr/Signed out: jsmith\./, '... which ended its session');
    ok(is_login_form($browser->follow($browser->get('/lms'))), 'the next sign-in shows the login form again');
}
{
    my $browser = new_browser();
    is(sign_in($browser, '/lms', 'jsmith')->status, 200, 'signed in');
    my $page = $browser->get("$public/logout");
    my ($frame) = $page->body =~ /<iframe src="([^"]+)"/;
    is($browser->get('/lms')->status, 200, 'signed out at the LMS: here nobody knows yet');
    my $answer = $browser->get($frame, as => 'frame', headers => [['Sec-Fetch-Site', 'same-site']]);
    is($answer->status . $answer->body, '200', 'its frame is answered with nothing');
    is($answer->header('X-Frame-Options'), undef, '... that may be framed');
    ok(is_login_form($browser->follow($browser->get('/lms'))), '... and the session is over');
}

# ---- programs with the LMS's tokens

# What a place says to a token.
sub presents {
    my ($token, $scheme) = @_;
    return new_browser()->get('/api', as => 'plain', headers => [['Authorization', ($scheme // 'Bearer') . " $token"]]);
}

# Forms of a token that are not it, by name.
sub tampered {
    my ($token) = @_;
    my ($head, $body, $signature) = split /\./, $token;
    my $payload = MIME::Base64::decode_base64url($body);
    my $other = MIME::Base64::encode_base64url($payload =~ s/jsmith/admin/gr);
    my $none = MIME::Base64::encode_base64url('{"alg":"none","typ":"JWT"}');
    my $flipped = ($signature =~ /^A/ ? 'B' : 'A') . substr $signature, 1;
    return (another_user => "$head.$other.$signature", unsigned => "$none.$body.", unsigned_with_signature => "$none.$body.$signature",
        flipped => "$head.$body.$flipped", cut => substr($token, 0, -4), longer => "${token}AAAA", without_signature => "$head.$body.");
}

{
    my %sees = environment(sign_in(new_browser(), '/token', 'jsmith'));
    my $jwt = $sees{EDXSSO_ACCESS_TOKEN};
    like($jwt, qr/^eyJ[\w-]+\.[\w-]+\.[\w-]+$/, "the LMS's access token is a JWT");
    for my $scheme (qw(JWT Bearer)) {
        my $answer = presents($jwt, $scheme);
        is($answer->status, 200, "$scheme: let in");
        my %as = environment($answer);
        is($as{REMOTE_USER}, 'jsmith', "$scheme: as its user");
        is($as{EDXSSO_CLAIM_scopes}, 'user_id,profile,email', "$scheme: with its scopes");
    }
    my %wrong = tampered($jwt);
    for my $how (sort keys %wrong) {
        my $answer = presents($wrong{$how});
        is($answer->status, 401, "$how: refused");
        like($answer->header('WWW-Authenticate'), qr/error="invalid_token"/, "$how: invalid_token");
        expect_log('SSO1131', $how);
    }
    my ($front, $back) = $jwt =~ /^(.*)\.([^.]*)$/;
    my $cookies = "edx-jwt-cookie-header-payload=$front; edx-jwt-cookie-signature=";
    is(new_browser()->get('/api', headers => [['Cookie', $cookies . $back]])->status, 200, 'as cookies');
    allow_log('SSO0680');
    is(new_browser()->get('/api', headers => [['Cookie', $cookies . ($back =~ tr/A-Y/B-Z/r)]])->status, 401, 'altered cookies');
}

# ---- without the module: what the toolkit says to a client of its own (redemption, introspection)

{
    my $browser = new_browser();
    my $verifier = 'v' x 43;
    my $query = join '&', 'client_id=other-party', 'redirect_uri=' . EdxSSO::Browser::escape("$site/other/"),
        'response_type=code', 'code_challenge_method=S256', 'state=s',
        'code_challenge=' . MIME::Base64::encode_base64url(Digest::SHA::sha256($verifier)), 'scope=user_id+email';
    my $page = $browser->follow($browser->get("$public/oauth2/authorize?$query"));
    my $back = $browser->follow(log_in($browser, $page, 'zoe'), while => sub { $_[0]->location !~ m{/other/} });
    my %form = (grant_type => 'authorization_code', code => parameter($back->location, 'code'),
        redirect_uri => "$site/other/", client_id => 'other-party', client_secret => 'other-secret');
    my $redeem = sub { my $a = $agent->post("$lms/oauth2/access_token", {%form, @_}); ($a->code, $a->decoded_content) };
    is(join(' ', $redeem->()), '400 {"error": "invalid_request", "error_description": "Code verifier required."}',
        'PKCE: no verifier');
    is(join(' ', $redeem->(code_verifier => 'w' x 43)), '400 {"error": "invalid_grant"}', 'PKCE: a wrong verifier');
    my ($status, $text) = $redeem->(code_verifier => $verifier);
    is($status, 200, 'PKCE: the verifier');
    my $said = JSON::PP::decode_json($text);
    is($said->{token_type}, 'Bearer', 'an opaque token, since no JWT was asked for');
    my %sees = environment(presents($said->{access_token}));
    is($sees{REMOTE_USER}, 'zoe', 'the module asks about it: its user');
    is($sees{EDXSSO_CLAIM_scope}, 'user_id email', 'and its scope');
    for my $other ($said->{access_token} . 'x', $said->{refresh_token} // 'none', 'nonsense') {
        is(presents($other)->status, 401, 'another text is nobody');
        expect_log('SSO1131', 'another text');
    }

    my $introspect = sub {
        my ($token, @credentials) = @_;
        my $request = HTTP::Request->new(POST => "$lms/_o/introspect/",
            ['Content-Type', 'application/x-www-form-urlencoded'], "token=$token");
        $request->authorization_basic(@credentials) if @credentials;
        my $answer = $agent->request($request);
        return $answer->code == 200 ? JSON::PP::decode_json($answer->content) : $answer->code;
    };
    my $tells = $introspect->($said->{access_token}, 'studio-sso', 'studio-secret');
    cmp_ok(delete $tells->{exp}, '>', time + 3600, 'introspection: it expires');
    is_deeply($tells, { active => JSON::PP::true(), scope => 'user_id email', client_id => 'other-party',
        username => 'zoe' }, 'introspection: any client may ask about any token');
    is_deeply($introspect->('nonsense', 'studio-sso', 'studio-secret'), { active => JSON::PP::false() },
        'introspection: an unknown token');
    is($introspect->($said->{access_token}, 'studio-sso', 'wrong'), 403, 'introspection: a wrong secret');
    is($introspect->($said->{access_token}), 403, 'introspection: nobody asks');
    my %client = (client_id => 'other-party', client_secret => 'other-secret');
    is($agent->post("$lms/oauth2/revoke_token/", { %client, token => $said->{access_token} })->code, 200, 'revoked');
    is_deeply($introspect->($said->{access_token}, 'studio-sso', 'studio-secret'), { active => JSON::PP::false() },
        'introspection: no longer active');
}

done_testing();
$httpd->stop;
