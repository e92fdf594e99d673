#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
# Everybody's accounts: sign-in with each of the presets, what of it the app sees, and what becomes of
# it when the provider says no or talks nonsense (contract section 8).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use EdxSSO::Test;
use EdxSSO::SignIn;

my $there = EdxSSO::Browser->new(base => $ENV{SOCIAL_ROOT}, as => 'plain');
my $PROXY = [['X-Forwarded-Proto', 'https']];

sub control {
    my ($what, $given) = @_;
    my $answer = $there->request(POST => "/_ctl/$what", body => JSON::PP->new->utf8->encode($given));
    die "stand-in: $what: " . $answer->status . ' ' . $answer->body . "\n" if $answer->status != 200;
    return;
}

sub fresh { control(reset => {}); return }
sub setting { my ($provider, %value) = @_; control(set => { provider => $provider, %value }); return }

sub last_request {
    my ($endpoint) = @_;
    return $there->get("/_ctl/requests?last=1&endpoint=$endpoint")->json->{requests}[-1];
}

# From the start to what the callback answers, and the app's answer behind it.
sub through {
    my ($name, %option) = @_;
    my $browser = $option{browser} // browser('so_all');
    my $start = $browser->get("/edxsso/login?provider=$name&next=/app");
    my $back = $browser->get($start->location, cross_site => 1);
    my $done = $browser->get($back->location, cross_site => 1);
    return ($done, $browser, $start);
}

# Signs in; the app has these lines.
sub signs_in {
    my ($name, $why, @lines) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($done, $browser, $start) = through($name);
    my $app = $done->location ? $browser->follow($done) : $done;
    is($app->status, 200, $why) or diag($app->body);
    for my $line (@lines) {
        my $pattern = ref $line ? $line : qr/^\Q$line\E$/m;
        like($app->body, $pattern, '... ' . (ref $line ? "matches $line" : $line));
    }
    return ($app, $start, $browser);
}

# Does not sign in.
sub stays_out {
    my ($name, $status, $number, $why, %option) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($done, $browser) = through($name);
    is($done->status, $status, "$name: $why") or diag($done->body);
    is($done->header('Retry-After'), $option{retry_after}, '... Retry-After') if exists $option{retry_after};
    my $id = page_id($done) // 'none';
    expect_log($number);
    my ($line) = log_lines(qr/\[error id \Q$id\E\]/);
    like($line // '', qr/$number:.*$option{says}/, '... the log says it') if $option{says};
    ok(!$browser->cookie('edxsso'), '... no session');
    return;
}

allow_log('SSO0564'); # a sign-in
allow_log('SSO0145'); # Keycloak's key for encryption is skipped

# ---- Google

fresh();
{
    my (undef, $start) = signs_in('google', 'Google', 'REMOTE_USER=110169484474386276334@accounts.google.com',
        'EDXSSO_EMAIL=ann@campus.test', 'EDXSSO_CLAIM_hd=campus.test', 'EDXSSO_CLAIM_email_verified=true');
    my %asked = EdxSSO::Browser::query($start->location);
    is($asked{hd}, 'campus.test', 'the hd parameter is sent');
    ok($asked{nonce} && $asked{code_challenge}, 'with nonce and PKCE');
    setting(google => issuer => 'accounts.google.com');
    signs_in('googleoff', 'Google, the issuer without scheme, no discovery',
        'REMOTE_USER=110169484474386276334@accounts.google.com');
    setting(google => issuer => 'https://accounts.google.com.evil.test');
    stays_out('googleoff', 400, 'SSO0482', 'another issuer');
    setting(google => issuer => 'https://accounts.google.com', who => { hd => undef });
    stays_out('google', 403, 'SSO0604', 'a private account, without hd');
    setting(google => who => {}, aud => 'another-client');
    stays_out('google', 400, 'SSO0472', 'a token for another client');
}

# ---- Keycloak

fresh();
signs_in('keycloak', 'Keycloak', 'REMOTE_USER=f1b2c3d4-0000-4000-8000-000000000001@127.0.0.1',
    'EDXSSO_USERNAME=ann', 'EDXSSO_CLAIM_roles=staff,author', 'EDXSSO_CLAIM_siteroles=editor');
{
    my (undef, undef, $browser) = signs_in('keycloak', 'again');
    like($browser->get('/edxsso/logout')->location // '',
        qr{^\Q$ENV{SOCIAL_ROOT}\E/keycloak/realms/campus/protocol/openid-connect/logout\?(?:.*&)?client_id=site(?:&|$)},
        'signs out there, too');
}

# ---- LinkedIn

fresh();
{
    my (undef, $start) = signs_in('linkedin', 'LinkedIn', 'REMOTE_USER=782bbtaQ@www.linkedin.com',
        'EDXSSO_EMAIL=ann@work.test');
    unlike($start->location, qr/nonce=|code_challenge/, 'neither nonce nor PKCE');
    my $asked = last_request('/linkedin/oauth/v2/accessToken');
    ok($asked->{form}{client_secret} && !$asked->{form}{code_verifier}, 'secret in the body, no verifier');
    setting(linkedin => issuer => 'https://www.linkedin.com');
    signs_in('linkedin', 'the older issuer', 'REMOTE_USER=782bbtaQ@www.linkedin.com');
    setting(linkedin => issuer => 'https://www.linkedin.example');
    stays_out('linkedin', 400, 'SSO0467', 'another issuer');
    fresh();
    stays_out('linkedinpkce', 502, 'SSO0401', 'PKCE is refused there', says => 'error=invalid_request');
    stays_out('linkedinbasic', 502, 'SSO0401', 'and Basic', says => 'error=invalid_client');
    stays_out('linkedinnonce', 400, 'SSO0475', 'and no nonce comes back');
}

# ---- Apple: the answer is posted

sub apple {
    my ($browser, %change) = @_;
    my $start = $browser->get('/edxsso/login?provider=apple&next=/app', headers => $PROXY);
    my $page = $browser->get($start->location, cross_site => 1);
    my $body = $page->body;
    my ($action) = $body =~ /action="([^"]*)"/;
    my @fields;
    while ($body =~ /name="([^"]*)" value="([^"]*)"/g) {
        my ($name, $value) = ($1, $2);
        $value =~ s/&quot;/"/g;
        $value =~ s/&amp;/&/g;
        push @fields, $name => exists $change{$name} ? delete $change{$name} : $value;
    }
    (my $url = $action // '') =~ s{^https://localhost(?::\d+)?}{vhost('so_all')}e; # past the proxy that the test plays
    return ($start, $browser->post($url, [@fields, %change], headers => $PROXY, cross_site => 1), $action);
}

sub apple_app {
    my ($browser) = @_;
    return $browser->get('/app', headers => $PROXY)->body;
}

fresh();
{
    my $browser = browser('so_all');
    my ($start, $done, $action) = apple($browser);
    my %asked = EdxSSO::Browser::query($start->location);
    is($asked{response_mode}, 'form_post', 'Apple is asked to post');
    like($action, qr{^https://localhost(?::\d+)?/edxsso/callback/apple$}, 'to an https URL');
    ok($done->location, 'Apple') or diag($done->body);
    my $app = apple_app($browser);
    like($app, qr/^REMOTE_USER=001234\.abcdef\.0123\@appleid\.apple\.com$/m, 'the user');
    like($app, qr/^EDXSSO_CLAIM_email_verified=true$/m, 'a verified address');
    like($app, qr/^EDXSSO_CLAIM_is_private_email=true$/m, 'a private one');
    unlike($app, qr/^EDXSSO_NAME=/m, 'no name at a later sign-in');
    is(last_request('/apple/auth/token')->{form}{client_secret}[0] =~ tr/.//, 2, 'the secret is the JWT');

    setting(apple => first => JSON::PP::true(), who => { email_verified => JSON::PP::true() });
    $browser = browser('so_all');
    apple($browser);
    $app = apple_app($browser);
    like($app, qr/^EDXSSO_NAME=Ann \xc3\x84sh$/m, 'the name at the first consent');
    like($app, qr/^EDXSSO_EMAIL=x7\@privaterelay\.appleid\.com$/m, 'but the address is that of the token');

    $browser = browser('so_all');
    (undef, $done) = apple($browser, user => '{"name": 5');
    ok($done->location, 'a field user that is no JSON is no harm');
    unlike(apple_app($browser), qr/^EDXSSO_NAME=/m, 'and no name');

    $browser = browser('so_all');
    (undef, $done) = apple($browser, state => 'x');
    is($done->status, 400, 'a foreign state');
    expect_log('SSO0129');
    my $plain = browser('so_all')->get('/edxsso/login?provider=apple&next=/app');
    is($plain->status, 500, 'without https it cannot be');
    expect_log('SSO0511');
    setting(apple => deny => { error => 'user_cancelled_authorize' });
    (undef, $done) = apple(browser('so_all'));
    is($done->status, 502, 'an error of its own');
    expect_log('SSO0561');
}

# ---- Facebook

fresh();
{
    my ($app, $start) = signs_in('facebook', 'Facebook', 'REMOTE_USER=10158000000000001@facebook.com',
        'EDXSSO_NAME=Ann Ash', 'EDXSSO_EMAIL=ann@face.test', 'EDXSSO_CLAIM_picture=https://platform.test/ann.jpg',
        'EDXSSO_CLAIM_given_name=Ann');
    unlike($app->body, qr/birthday/, 'what was not asked for is not there');
    unlike(last_request('/facebook/v24.0/me')->{target}, qr/access_token|facebook-/, 'no token in a URL');
    setting(facebook => who => { email => undef });
    my ($less) = signs_in('facebook', 'without an address');
    unlike($less->body, qr/^EDXSSO_EMAIL=/m, '... there is none');
    setting(facebook => deny => { error => 'access_denied', error_code => 200, error_reason => 'user_denied',
        error_description => 'Permissions error' });
    stays_out('facebook', 403, 'SSO0560', 'the user says no', says => 'access_denied: Permissions error');
    setting(facebook => deny => { error_code => 1349048, error_message => "Can't Load URL" });
    stays_out('facebook', 502, 'SSO0561', 'its own form of error', says => q{1349048: Can't Load URL});
    fresh();
    control(answer => { endpoint => '/facebook/v24.0/oauth/access_token', status => 400,
        headers => { 'Content-Type' => 'application/json' },
        body => '{"error":{"message":"This code has been used.","type":"OAuthException","code":100}}' });
    stays_out('facebook', 502, 'SSO0401', 'an error at the token endpoint',
        says => 'OAuthException: This code has been used');
    control(answer => { endpoint => '/facebook/v24.0/me', status => 400,
        headers => { 'Content-Type' => 'application/json' },
        body => '{"error":{"message":"Invalid appsecret_proof","type":"GraphMethodException","code":100}}' });
    stays_out('facebook', 502, 'SSO0415', 'an error of the profile', says => 'status 400 Invalid appsecret_proof');
}

# ---- GitHub

fresh();
{
    my (undef, $start, $browser) = signs_in('github', 'GitHub', 'REMOTE_USER=583231@github.com', 'EDXSSO_USERNAME=ann',
        'EDXSSO_USER_ID=583231', 'EDXSSO_EMAIL=ann@git.test', 'EDXSSO_CLAIM_email_verified=true');
    like($start->location, qr/&scope=read%3Auser%20user%3Aemail$/, 'its scopes, last');
    like($start->location, qr/code_challenge_method=S256/, 'PKCE');
    my $asked = last_request('/github/login/oauth/access_token');
    ok((grep { $_->[0] eq 'Accept' && $_->[1] =~ m{application/json} } @{ $asked->{headers} }), 'asks for JSON');
    is($browser->get('/edxsso/logout?next=/bye')->location, vhost('so_all') . '/bye', 'there is no place to sign out');

    setting(github => emails => [{ email => 'ann@git.test', primary => JSON::PP::true(), verified => JSON::PP::false() },
        { email => 'x@git.test', primary => JSON::PP::false(), verified => JSON::PP::true() }]);
    my ($app) = signs_in('github', 'the primary address is not verified');
    unlike($app->body, qr/^EDXSSO_EMAIL=/m, '... no address at all');
    ($app) = signs_in('githubfew', 'without the scope for addresses, at a private installation',
        'REMOTE_USER=583231@git.campus.test');
    unlike($app->body, qr/^EDXSSO_EMAIL=/m, '... none either');
    expect_log('SSO0417');

    fresh();
    control(answer => { endpoint => '/github/login/oauth/access_token', status => 200,
        headers => { 'Content-Type' => 'application/json; charset=utf-8' },
        body => '{"error":"bad_verification_code","error_description":"The code passed is incorrect or expired."}' });
    stays_out('github', 502, 'SSO0401', 'an error with status 200', says => 'error=bad_verification_code');
    setting(github => deny => { error => 'redirect_uri_mismatch' });
    stays_out('github', 502, 'SSO0561', 'the application is not set up right', says => 'redirect_uri_mismatch');
    fresh();
    stays_out('githubmail', 503, 'SSO0306', 'nobody answers for the addresses', retry_after => 5);
    for my $case (
        ['/github/api/user', 'html-401', 502, 'SSO0415'], ['/github/api/user', 'html-500', 502, 'SSO0415'],
        ['/github/api/user', 'html-200', 502, 'SSO0413'], ['/github/api/user', 'json-array', 502, 'SSO0413'],
        ['/github/api/user', 'json-empty-object', 502, 'SSO0416'], ['/github/api/user', 'deep-json', 502, 'SSO0413'],
        ['/github/api/user', 'bad-utf8', 502, 'SSO0413'], ['/github/api/user', 'html-503-retry', 503, 'SSO0412', 23],
        ['/github/api/user/emails', 'html-429-retry', 503, 'SSO0412', 17],
        ['/github/api/user/emails', 'html-500', 502, 'SSO0418'],
        ['/github/api/user/emails', 'json-empty-object', 502, 'SSO0413'],
    ) {
        my ($endpoint, $preset, $status, $number, $retry_after) = @$case;
        control(answer => $preset eq 'html-401'
            ? { endpoint => $endpoint, status => 401, headers => { 'Content-Type' => 'application/json' },
                body => '{"message":"Bad credentials"}' }
            : { endpoint => $endpoint, preset => $preset });
        stays_out('github', $status, $number, "$endpoint: $preset", retry_after => $retry_after);
    }
}

# ---- any OAuth 2.0 server

fresh();
signs_in('plain', 'a bare OAuth 2.0 server', 'REMOTE_USER=77@127.0.0.1', 'EDXSSO_USER_ID=77', 'EDXSSO_CLAIM_unit=physics');
{
    my (undef, $start) = signs_in('bare', 'the same without EdxSSOScope', 'REMOTE_USER=77@127.0.0.1');
    unlike($start->location, qr/scope=/, 'no scope is asked for');
}
setting(plain => who => { iss => 'https://github.com', sub => '583231' });
signs_in('plain', 'that says it is another', 'REMOTE_USER=583231@127.0.0.1');
setting(plain => who => { sub => [1], id => undef });
stays_out('plain', 502, 'SSO0416', 'an id that is none');
setting(plain => who => { error => 'invalid_token' });
stays_out('plain', 502, 'SSO0415', 'an error with status 200', says => 'invalid_token');

# ---- codes and states of one provider are no good at another

fresh();
{
    my $browser = browser('so_all');
    my $github = $browser->get($browser->get('/edxsso/login?provider=github&next=/app')->location, cross_site => 1);
    (my $mixed = $github->location) =~ s{/callback/github}{/callback/plain};
    is($browser->get($mixed, cross_site => 1)->status, 400, "GitHub's answer at another callback");
    expect_log('SSO0553');
    my $iss = $browser->get($browser->get('/edxsso/login?provider=github&next=/app')->location, cross_site => 1)->location;
    is($browser->get("$iss&iss=https://evil.test", cross_site => 1)->status, 400, 'an answer that names another issuer');
    expect_log('SSO0562');
    $iss = $browser->get($browser->get('/edxsso/login?provider=github&next=/app')->location, cross_site => 1)->location;
    ok($browser->get("$iss&iss=https://github.com/login/oauth", cross_site => 1)->location, "GitHub's own is fine");
}

# ---- the sign-in page

{
    my $page = browser('so_all')->get('/edxsso/login?next=/app');
    like($page->body, qr/>\s*\Q$_\E\s*</, "a button for $_")
        for 'Google', 'Keycloak', 'LinkedIn', 'Apple', 'Facebook', 'GitHub', 'OAuth 2.0';
}
done_testing();
