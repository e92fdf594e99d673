# SPDX-License-Identifier: Apache-2.0
# Virtual hosts are kept apart although they have one name; a front controller loses nothing.
use strict;
use warnings;
use EdxSSO::Browser;
use EdxSSO::Httpd;
use EdxSSO::SignIn;
use EdxSSO::Test;
use EdxSSO::Token ();

allow_log('SSO0564', 'SSO0680', 'SSO0687');
lms_reset();
default_user('jsmith');

# ---- internal redirects within a place
my $browser = browser('front');
my $answer = $browser->follow($browser->get('/app/front'));
is($answer->status, 200, 'signed in');
for my $path ('/app/front', '/app/old') {
    my %seen = $browser->get($path)->body =~ /^(\w+)=(.*)$/mg;
    is($seen{REMOTE_USER}, 'jsmith', "$path: REMOTE_USER");
    is($seen{EDXSSO_EMAIL}, 'jsmith@example.com', "$path: environment");
    is($seen{HTTP_EDXSSO_USERNAME}, 'jsmith', "$path: headers");
    is($seen{HTTP_REMOTE_USER}, 'jsmith', "$path: Remote-User");
}
my %spoofed = $browser->get('/app/old', headers => [['Edxsso-Email', 'evil@example.com']])->body =~ /^(\w+)=(.*)$/mg;
is($spoofed{HTTP_EDXSSO_EMAIL}, 'jsmith@example.com', "a client's own header does not get in that way");

# ---- FallbackResource is for what is nobody's
is($browser->get('/edxsso/session')->status, 200, 'session beside FallbackResource');
is(browser('front')->get('/edxsso/login')->status, 302, 'login, too')
    or is(browser('front')->get('/edxsso/login')->status, 200, 'or the page to choose');

# ---- a session, a state of another virtual host of the same name
my $other = browser('main');
$other->set_cookie('edxsso=' . $browser->cookie('edxsso')->{value} . '; Path=/');
ok($other->cookie('edxsso'), 'the cookie is sent there');
is($other->get('/edxsso/session')->status, 401, "another virtual host's session does not count");
my $third = browser('beside');
$third->set_cookie('edxsso=' . $browser->cookie('edxsso')->{value} . '; Path=/');
is($third->get('/edxsso/session')->status, 401, 'nor that of one which has no directive of ours, as this one');
is($browser->get('/edxsso/session')->status, 200, 'where it belongs it does');

# ---- a neighbour's cookies: the app of another virtual host sees none that browsers take there
my $tossed = 'app=1; campus=c1; campus_1=c2; __Host-campus_login=c3; campus_app=2';
my ($sent) = browser('beside')->get('/app', headers => [[Cookie => $tossed]])->body =~ /^HTTP_COOKIE=(.*)$/m;
is($sent, 'app=1; campus_app=2', 'under the domain that the cookie is for');
my $session = 'edxsso=' . $browser->cookie('edxsso')->{value};
($sent) = $browser->get('/app/front', headers => [[Cookie => "$session; $tossed"]])->body =~ /^HTTP_COOKIE=(.*)$/m;
is($sent, $tossed, 'elsewhere the name is free');
my @lines = grep { m{"GET /edxsso/callback/lms} }
    do { open my $in, '<', $ENV{HTTPD_ERROR_LOG} =~ s/error_log$/access_log/r or die "$!\n"; <$in> };
ok(@lines > 0, 'the callback is in the access log');
unlike($lines[-1], qr/code=|state=/, 'without code and state');

# ---- an internal redirect to another place: the token that the first one's app would get is not for the other's
{
    my $httpd = EdxSSO::Httpd->new(modules => ['rewrite'], config => <<"END");
<EdxSSOProvider lms edx>
    EdxSSOURLRoot      $ENV{LMS_ROOT}
    EdxSSOClientID     studio-sso
    EdxSSOClientSecret studio-secret
    EdxSSOJWKS         file:$ENV{LMS_FILES}/lms-jwks.json
    EdxSSOAudience     openedx
</EdxSSOProvider>
ProxyPass "/given/"  "$ENV{ECHO_ROOT}/given/"
ProxyPass "/open/"   "$ENV{ECHO_ROOT}/open/"
ProxyPass "/closed/" "$ENV{ECHO_ROOT}/closed/"
<LocationMatch "^/(given|closed)/">
    AuthType edxsso
    Require  valid-user
    EdxSSOCredentials session bearer
</LocationMatch>
<Location "/given/">
    EdxSSOAuthorizationHeader bearer
    ErrorDocument 403 /open/error
    RewriteEngine on
    RewriteRule to-open\$   /open/x
    RewriteRule to-closed\$ /closed/x
</Location>
<Location "/given/denied">
    Require all denied
</Location>
ProxyPass "/mfe/" "$ENV{ECHO_ROOT}/mfe/"
<Location "/mfe/">
    AuthType edxsso
    Require  valid-user
    EdxSSOCredentials jwt-cookie bearer
    EdxSSOAuthorizationHeader jwt
</Location>
<Location "/way">
    RewriteEngine on
    RewriteRule . /closed/x
</Location>
# who is there is asked ahead of time, so twice
RewriteEngine on
RewriteCond "%{LA-U:REMOTE_USER}" "(.+)"
RewriteRule "^/ahead" "-" [E=AHEAD:%1]
RequestHeader set X-Ahead "%{AHEAD}e" env=AHEAD
Alias /ahead \@DIR\@/htdocs
<Directory \@DIR\@/htdocs>
    AuthType edxsso
    Require  valid-user
    EdxSSOAuthorizationHeader bearer
    EdxSSOCredentials bearer session
    RewriteEngine on
    RewriteRule . $ENV{ECHO_ROOT}/ahead [P]
</Directory>
END
    $httpd->start;
    my $visitor = EdxSSO::Browser->new(base => $httpd->url);
    is($visitor->follow($visitor->get('/given/x'))->status, 200, 'signed in');
    my %want = ('x' => qr/^Bearer eyJ/, map { $_ => undef } qw(to-open to-closed denied));
    for my $own (undef, 'Basic b3duOm93bg==') {
        my $came = defined $own ? 'with an Authorization' : 'without';
        for my $path (sort keys %want) {
            my $body = $visitor->get("/given/$path", headers => defined $own ? [['Authorization', $own]] : [])->body;
            my ($seen) = $body =~ /^Authorization: (.*)$/m;
            like($body, qr/^GET /, "$path: an app has answered");
            $want{$path} ? like($seen, $want{$path}, "$path, $came: the token") : is($seen, $own, "$path, $came: what came");
            is(scalar(() = $body =~ /^Remote-User: jsmith$/mg), $path =~ /open|denied/ ? 0 : 1, "$path, $came: who is there");
        }
    }
    my $body = $visitor->get('/ahead/x')->body;
    like($body, qr/^X-Ahead: jsmith$/m, 'asked ahead of time who is there');
    is(scalar(() = $body =~ /^(?:Remote-User: jsmith|Edxsso-Email: .*)$/mg), 2, 'the headers are there once');
    like($body, qr/^Authorization: Bearer eyJ/m, 'and so is the token, which has not been taken for one that came');

    my %asked = EdxSSO::Browser::query(EdxSSO::Browser->new(base => $httpd->url)->get('/way')->location // '');
    is($asked{redirect_uri}, $httpd->url . '/edxsso/callback/lms', 'the port is known of a request made of another one, too');

    # the token that a request came with is the one that its app gets
    my ($jwt, $other) = map { EdxSSO::Token::lms_token(user => $_) } qw(jsmith zoe);
    my ($front, $back) = $jwt =~ /^(.*)\.([^.]*)$/;
    my $cookies = ['Cookie', "edx-jwt-cookie-header-payload=$front; edx-jwt-cookie-signature=$back"];
    my $program = EdxSSO::Browser->new(base => $httpd->url, as => 'plain');
    for my $case ([$jwt, $cookies], [$jwt, $cookies, ['Authorization', "Bearer $other"]], [$other, ['Authorization', "Bearer $other"]]) {
        my ($want, @headers) = @$case;
        my ($got) = $program->get('/mfe/x', headers => \@headers)->body =~ /^Authorization: (.*)$/m;
        is($got, "JWT $want", 'by ' . join ' and ', map { $_->[0] } @headers);
    }
    $httpd->stop;
}
done_testing();
