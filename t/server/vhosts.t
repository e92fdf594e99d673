# SPDX-License-Identifier: Apache-2.0
# Virtual hosts are kept apart although they have one name; a front controller loses nothing.
use strict;
use warnings;
use EdxSSO::SignIn;
use EdxSSO::Test;

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
done_testing();
