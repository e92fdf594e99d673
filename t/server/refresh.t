# SPDX-License-Identifier: Apache-2.0
# Tokens are renewed by one request for all, whatever else happens; and handed to the app where that is asked for.
use strict;
use warnings;
use JSON::PP ();
use Time::HiRes ();
use EdxSSO::Test;
use EdxSSO::Op;
use EdxSSO::Redis;
use EdxSSO::Site;

alone();
own_echo();
my $SECRET = "EdxSSOSecret \"a secret that both of these httpds know, of some length\"\n";
my $LIFE = 3; # of an access token, seconds: due after two thirds of it
my $BIG = "<IfModule !mpm_prefork_module>\nServerLimit 4\nThreadLimit 64\nThreadsPerChild 64\nMaxRequestWorkers 256\nMaxSpareThreads 256\n</IfModule>\n";
my $op = EdxSSO::Op->new;

sub config {
    my (%option) = @_;
    return ($option{server} // '') . $SECRET . $op->section('oidc', $option{provider})
        . "<LocationMatch ^/(app|token)>\nAuthType edxsso\nRequire valid-user\nHeader set X-User \"expr=%{REMOTE_USER}\"\n"
        . "Header set X-Name \"expr=%{reqenv:EDXSSO_NAME}\"\n</LocationMatch>\n"
        . "<Location /token>\nEdxSSOPassToken access id refresh\n"
        . join('', map { "Header set X-\L$_\E \"expr=%{reqenv:EDXSSO_${_}_TOKEN}\"\n" } qw(ACCESS ID REFRESH)) . "</Location>\n"
        . "ProxyPass /back $ENV{ECHO_ROOT}\nProxyPass /jwt $ENV{ECHO_ROOT}\n"
        . "<LocationMatch ^/(back|jwt)>\nAuthType edxsso\nRequire valid-user\nEdxSSOUnauthenticated pass\n</LocationMatch>\n"
        . join('', map { "<Location /$_->[0]>\n" . "EdxSSOAuthorizationHeader $_->[1]\n</Location>\n" } ['back', 'bearer'], ['jwt', 'jwt'])
        . ($option{more} // '');
}

sub server {
    my (%option) = @_;
    my $httpd = EdxSSO::Httpd->new(config => config(%option));
    for my $place (qw(app token)) {
        mkdir $httpd->dir . "/htdocs/$place";
        open my $out, '>', $httpd->dir . "/htdocs/$place/index.txt" or die "$!\n";
        print {$out} "this is $place\n";
        close $out;
    }
    return $httpd;
}

# Waits until the tokens of a sign-in of before are due.
my $signed_in;
sub enter { my ($httpd) = @_; my $browser = sign_in($httpd) or die "no sign-in\n" . $httpd->log_text; $signed_in = Time::HiRes::time(); return $browser }
sub due { my $left = $signed_in + $LIFE * 2 / 3 + 0.2 - Time::HiRes::time(); select undef, undef, undef, $left if $left > 0; return }
sub expired { my $left = $signed_in + $LIFE + 0.2 - Time::HiRes::time(); select undef, undef, undef, $left if $left > 0; return }
sub statuses { my %seen; $seen{ $_->status }++ for @_; return join ' ', map { "$_:$seen{$_}" } sort keys %seen }
sub refreshes { return $op->calls('/token', 'refresh_token') }
sub user_of { return $_[0]->header('X-User') // '' }

my %secrets;
sub keep_secrets {
    for my $request ($op->requests('/token')) {
        $secrets{ $request->{form}{$_}[0] } = $_ for grep { $request->{form}{$_} } qw(refresh_token code client_secret code_verifier);
    }
    return;
}

# ---- 200 at once, at a provider that revokes everything when a refresh token comes twice

$op->reset(access_life => $LIFE);
my $httpd = server(server => $BIG)->start;
my $browser = enter($httpd);
my $cookie = cookie_of($browser);
$op->ctl(config => { access_life => 3600 });
$op->ctl(users => { name => 'jane', given_name => 'Janet' });
$op->ctl(answer => { endpoint => '/token', delay => 1 });
due();
my @answers = at_once($httpd->port, 200, '/app/index.txt', $cookie);
is(statuses(@answers), '200:200', '200 requests while the tokens are due: 200 answers');
is(refreshes(), 1, 'one refresh');
is($op->ctl('state')->{reused}, 0, 'no refresh token came twice');
my $answer = $browser->get('/token/index.txt');
is($answer->header('X-Name'), 'Janet Doe', 'the claims are new');
my ($access, $refresh) = map { $answer->header("X-$_") } qw(access refresh);
like($access, qr/^[\w-]{20,}$/, 'the app has the access token');
like($answer->header('X-id'), qr/^eyJ/, 'the id_token');
like($refresh, qr/^[\w-]{20,}$/, 'the refresh token');
my $first = ($op->requests('/token', 'refresh_token'))[0]{form}{refresh_token}[0];
isnt($refresh, $first, 'which is the rotated one');
$secrets{$_} = 'token' for $access, $refresh, $answer->header('X-id');
is($browser->get('/app/index.txt')->header('X-access'), undef, 'elsewhere the app has none');
my $session = $browser->get('/edxsso/session', as => 'fetch');
unlike($session->body, qr/\Q$access\E|\Q$refresh\E|eyJ[\w-]*\./, 'session shows no token');

# ---- Authorization for the app behind
my $bare = EdxSSO::Browser->new(base => $httpd->url);
my @inbound = (headers => [['Authorization', 'Bearer mine'], ['Edxsso-Access-Token', 'x'], ['Connection', 'Authorization']]);
$answer = $browser->get('/back/x', @inbound);
like($answer->body, qr/^Authorization: Bearer \Q$access\E$/mi, 'Authorization: Bearer for the app behind');
unlike($answer->body, qr/Bearer mine|Edxsso-Access-Token/i, 'the one that came is replaced');
like($browser->get('/jwt/x')->body, qr/^Authorization: JWT \Q$access\E$/mi, 'or JWT');
unlike($bare->get('/back/x', @inbound)->body, qr/^Authorization|Edxsso-Access-Token/mi, 'without a session nobody has one');

# ---- asked for
my $before = refreshes();
is($browser->get('/edxsso/session?refresh=1', as => 'fetch')->status, 405, 'refresh=1: GET is refused');
my $post = sub { my (@headers) = @_; return $browser->request(POST => '/edxsso/session?refresh=1', body => '', as => 'plain', headers => [@headers]) };
is($post->(['Origin', 'https://evil.test'])->status, 403, 'refresh=1: from another site, too');
is($post->(['Sec-Fetch-Site', 'cross-site'])->status, 403, 'by Sec-Fetch-Site as well');
is(refreshes(), $before, 'and asks nothing');
$op->ctl(users => { name => 'jane', given_name => 'Joan' });
$answer = $post->(['Sec-Fetch-Site', 'same-origin']);
is($answer->status, 200, 'refresh=1 from this site');
is($answer->json->{claims}{name}, 'Joan Doe', 'has the new claims');
is(refreshes(), $before + 1, 'by one refresh');
keep_secrets();

# ---- what the provider may answer, and what is left of the session
my $JSON = { 'Content-Type' => 'application/json' };
my @cases = (
    ['no new refresh token', { rotate_refresh => JSON::PP::false() }, undef, 1],
    ['no refresh token in the answer', { refresh_drop => ['refresh_token'], rotate_refresh => JSON::PP::false() }, undef, 1],
    ['no id_token', { refresh_drop => ['id_token'] }, undef, 1],
    ['refresh_in', { answer_add => { refresh_in => 1000 } }, undef, 1],
    ['503', {}, [answer => { endpoint => '/token', preset => 'html-503' }], 1, 'SSO1003'],
    ['429 with Retry-After', {}, [answer => { endpoint => '/token', preset => 'html-429-retry' }], 1, 'SSO1003'],
    ['breaks off', {}, [answer => { endpoint => '/token', wire => 'reset' }], 1, 'SSO1003'],
    ['not JSON', {}, [answer => { endpoint => '/token', preset => 'html-200' }], 1, 'SSO1003'],
    ['invalid_client', {}, [answer => { endpoint => '/token', status => 401, json => { error => 'invalid_client' }, headers => $JSON }], 1, 'SSO1003'],
    ['invalid_grant', {}, [answer => { endpoint => '/token', status => 400, json => { error => 'invalid_grant' }, headers => $JSON }], 0, 'SSO1002'],
    ['id_token: other iss', {}, [fault => { claims => { iss => 'https://evil.test' }, grant => 'refresh_token' }], 0, 'SSO1005'],
    ['id_token: other sub', {}, [fault => { claims => { sub => 'somebody-else' }, grant => 'refresh_token' }], 0, 'SSO1005|SSO1006'],
    ['id_token: other aud', {}, [fault => { claims => { aud => 'another' }, grant => 'refresh_token' }], 0, 'SSO1005'],
    ['id_token: foreign key', {}, [fault => { key => 'foreign', grant => 'refresh_token' }], 0, 'SSO1005'],
    ['id_token: alg none', {}, [fault => { name => 'alg-none', grant => 'refresh_token' }], 0, 'SSO1005'],
    ['userinfo: 500', {}, [answer => { endpoint => '/userinfo', preset => 'html-500' }], 1, 'SSO1007'],
    ['userinfo: other sub', { userinfo_add => { sub => 'somebody-else' } }, undef, 0, 'SSO1005'],
);
$httpd->stop;
$httpd->configure(config(server => $BIG))->start;
for my $case (@cases) {
    my ($name, $settings, $fault, $alive, $number) = @$case;
    $op->reset(access_life => 3600);
    my $someone = enter($httpd);
    my $size = -s $httpd->error_log;
    $op->ctl(config => $settings);
    $op->ctl(@$fault) if $fault;
    my $got = $someone->request(POST => '/edxsso/session?refresh=1', body => '', headers => [['Sec-Fetch-Site', 'same-origin']]);
    my $now = EdxSSO::Browser->new(base => $httpd->url)->get('/app/index.txt', headers => [['Cookie', cookie_of($someone)]]);
    is($now->status, $alive ? 200 : 302, "$name: the session " . ($alive ? 'goes on' : 'has ended'));
    cmp_ok(refreshes(), '==', 1, "$name: one call");
    my $status = !$alive ? 401 : $number && $number =~ /1003/ ? qr/^50[23]$/ : 200;
    ref $status ? like($got->status, $status, "$name: who asked is told") : is($got->status, $status, "$name: who asked is told");
    my $log = $httpd->log_text;
    like(substr($log, $size), $number ? qr/$number/ : qr/renewed/, "$name: the log says so");
    keep_secrets();
}

# ---- expired, and the provider is away: no token is better than one that has expired
$op->reset(access_life => $LIFE);
$browser = enter($httpd);
ok($browser->get('/token/index.txt')->header('X-access'), 'a fresh token');
$signed_in = Time::HiRes::time(); # the token may be one of just now
$op->ctl(answer => { endpoint => '/token', preset => 'html-503', count => 0 });
expired();
$answer = $browser->get('/token/index.txt');
is($answer->status, 200, 'the provider is away: still signed in');
is($answer->header('X-access') // '', '', 'and no expired token is handed on');
unlike($browser->get('/back/x', @inbound)->body, qr/^Authorization/mi, 'nor sent');

# ---- the session is ended while somebody refreshes it: it stays ended
$op->reset(access_life => $LIFE);
$browser = enter($httpd);
$cookie = cookie_of($browser);
$op->ctl(answer => { endpoint => '/token', delay => 0.6 });
due();
my $pid = fork // die "fork: $!\n";
if (!$pid) {
    $browser->get('/app/index.txt');
    POSIX::_exit(0);
}
$httpd->wait_until(sub { refreshes() });
is(EdxSSO::Browser->new(base => $httpd->url)->get('/edxsso/logout?no_redirect=1', headers => [['Cookie', $cookie]])->status, 200,
    'signed out while a refresh is under way');
waitpid $pid, 0;
is(alive($httpd, $cookie), 0, 'the refresh does not bring the session back');
keep_secrets();
$httpd->stop;

# ---- nothing of this in a log
my $log = $httpd->log_text;
for my $secret (grep { length > 8 } keys %secrets) {
    ok(index($log, $secret) < 0, "no $secrets{$secret} in the log") or diag(substr $secret, 0, 10);
}
unlike($log, qr/exit signal/, 'nobody crashed');
done_testing();
