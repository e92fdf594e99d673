# SPDX-License-Identifier: Apache-2.0
# Sessions that the browser keeps (EdxSSOSessions cookie): what is sent, what it is worth, how it ends; and secrets
# that are changed under sessions of both kinds.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Op;
use EdxSSO::Site;
use EdxSSO::SignIn;

alone();
own_echo();
my $servers = EdxSSO::Servers->new;
my $root = $servers->start('/usr/bin/python3', 't/idp/lms.py', '--write-jwks', 't/logs/session-cookie-jwks.json');
lms_root($root);
lms_reset();
my ($old, $new, $third) = map { "a-secret-of-some-length-number-$_-of-this-test" } 1 .. 3;

sub text {
    my ($sessions, @secrets) = @_;
    return "EdxSSOSessions $sessions\nEdxSSOSecret @secrets\n"
        . "ProxyPass /back $ENV{ECHO_ROOT}\n<Location /back>\nAuthType edxsso\nRequire valid-user\n</Location>\n";
}
my %option = (root => $root, provider => "EdxSSOJWKS file:$ENV{LMS_FILES}/session-cookie-jwks.json\n", mpm => 'event');
my $httpd = site(%option, server => text('cookie', $old))->start;
my $browser = sign_in($httpd) or die "no sign-in\n" . $httpd->log_text;
sub cookies_of { my ($b) = @_; return join '; ', map { "$_->{name}=$_->{value}" } grep { $_->{name} =~ /^edxsso(_\d)?$/ } $b->cookies }
sub app { my ($cookies, $path, @more) = @_; return EdxSSO::Browser->new(base => $httpd->url)->get($path // '/app/index.txt', headers => [['Cookie', $cookies], @more]) }

# ---- what the browser has
my ($id, $one) = map { $browser->cookie($_) } qw(edxsso edxsso_1);
like($one->{line}, qr/^edxsso_1=[12]\.[\w-]+; Path=\/; HttpOnly; SameSite=Lax$/, 'the record is a cookie like the other');
my $cookies = cookies_of($browser);
cmp_ok(length $cookies, '<', 6000, 'all of it leaves room for the cookies of others');
unlike($cookies, qr/jsmith|eyJ[\w-]+[.]/, 'sealed');
is(app($cookies)->header('X-User'), 'jsmith', 'it signs in');
is(app("edxsso=$id->{value}")->status, 302, 'the id alone does not');
is(app("edxsso_1=$one->{value}")->status, 302, 'nor the record alone');
my $echo = app("mine=1; $cookies; other=2", '/back/x');
is($echo->status, 200, 'an app behind');
like($echo->body, qr/^Cookie: mine=1; other=2$/mi, 'sees none of it');
like($echo->body, qr/^Edxsso-Username: jsmith$/mi, 'but the user');
is(app($cookies)->header('Set-Cookie'), undef, 'nothing is written anew at each request');

# ---- what can be sent for it
for my $first ('99999999', '-1', '0.', '1.', '3.AAAA', '2.' . substr($one->{value}, 2), '1.AAAA', 'x', '1.' . 'A' x 2800, '%s') {
    my $answer = app("edxsso=$id->{value}; edxsso_1=$first");
    is($answer->status, 302, 'a first piece ' . substr($first, 0, 12) . ': to sign in');
}
is(app("edxsso=$id->{value}; " . join '; ', map { "edxsso_$_=AAAA" } 0 .. 200)->status, 302, '200 pieces: to sign in');
is(app("edxsso=$id->{value}; edxsso_1=$one->{value}; edxsso_1=1.AAAA")->status, 302, 'two first ones: to sign in');
is(app("edxsso=$id->{value}; edxsso_99999999=x; edxsso_1=$one->{value}")->header('X-User'), 'jsmith', 'a stray one does no harm');

# ---- renewed at the LMS: whoever comes with the old copy finds what is new
lms(users => { username => 'jsmith', name => 'Josephine Smith' });
my $renewed = EdxSSO::Browser->new(base => $httpd->url)->request(POST => '/edxsso/session?refresh=1', body => '', as => 'plain',
    headers => [['Cookie', $cookies], ['Sec-Fetch-Site', 'same-origin']]);
is($renewed->status, 200, 'tokens are renewed');
is($renewed->json->{claims}{name}, 'Josephine Smith', 'with the claims');
like(join("\n", $renewed->all('Set-Cookie')), qr/^edxsso_1=/m, 'the browser gets a new copy');
my $form = lms_last()->{form};
is(join(' ', map { $form->{$_}[0] // '-' } qw(grant_type token_type asymmetric_jwt)), 'refresh_token jwt true', 'a JWT was asked for');
my $late = app($cookies, '/back/x');
like($late->body, qr/^Edxsso-Name: Josephine Smith$/mi, 'the old copy leads to the new state');
my ($piece) = map { /^edxsso_1=([^;]+)/ } $late->all('Set-Cookie');
ok($piece, 'and is replaced');
is(lms_calls(), 2, 'the LMS was asked once for both');
like(app("edxsso=$id->{value}; edxsso_1=$piece", '/back/x')->body, qr/^Edxsso-Name: Josephine Smith$/mi, 'the new copy is good');

# ---- a full restart, and a store that is lost
$httpd->stop;
unlink glob $httpd->dir . '/state/store*';
$httpd->start;
is(app($cookies)->header('X-User'), 'jsmith', 'a restart with an empty store: signed in');

# ---- signed out: every copy
is($browser->get('/edxsso/logout?no_redirect=1')->status, 200, 'signed out');
is(cookies_of($browser), '', 'the cookies are gone');
is(app($cookies)->status, 302, 'a copy of them signs nobody in');
is(app($cookies, '/edxsso/session', ['Accept', 'application/json'])->status, 401, 'nor at session');
$httpd->graceful;
is(app($cookies)->status, 302, 'nor after a graceful restart');
$httpd->stop;
$httpd->start;
is(app($cookies)->status, 302, 'nor after a full one');

# ---- secrets: a new one signs nobody out, and one that has left does
for my $kind ('cookie', 'store') {
    $httpd->stop;
    $httpd->configure(site_text(%option, server => text($kind, $old)))->start;
    my $before = cookies_of(sign_in($httpd) || die "no sign-in\n");
    $httpd->configure(site_text(%option, server => text($kind, $new, $old)))->graceful;
    is(app($before)->header('X-User'), 'jsmith', "$kind: a new secret before the old one, graceful: signed in");
    my $after = cookies_of(sign_in($httpd) || die "no sign-in\n");
    $httpd->stop;
    $httpd->start;
    is(app($before)->header('X-User'), 'jsmith', "$kind: after a full restart, too");
    $httpd->configure(site_text(%option, server => text($kind, $third, $new)))->graceful;
    is(app($after)->header('X-User'), 'jsmith', "$kind: sealed with the second one: signed in");
    is(app($before)->status, 302, "$kind: sealed with one that has left: not");
    $httpd->configure(site_text(%option, server => text($kind, $third, $new), more => "ServerName another.test:80\n"))->graceful;
    is(app($after)->status, 302, "$kind: another virtual host's: not");
}
my $log = $httpd->log_text;
unlike($log, qr/exit signal/, 'nobody crashed');
ok(index($log, $_) < 0, 'no cookie in the log') for $id->{value}, substr $one->{value}, 0, 40;
done_testing();
