# SPDX-License-Identifier: Apache-2.0
# A sign-in that took longer than EdxSSOLoginTimeout, whose minimum is a minute.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::SignIn;
use EdxSSO::Site;

plan(skip_all => 'takes a minute') unless slow();
alone();
own_lms();
lms_reset();
my $httpd = site(server => "EdxSSOLoginTimeout 1m\n")->start;
EdxSSO::Log->watch($httpd->error_log, $httpd->pid_file);
allow_log('SSO0564');

my $late = EdxSSO::Browser->new(base => $httpd->url);
my $callback = to_callback($late, '/app/index.txt')->location;
my ($value) = map { $_->{value} } $late->cookie('edxsso_login');
like($late->cookie('edxsso_login')->{line}, qr/; Max-Age=60\b/i, 'the cookie goes when the state does');
sleep 62;
$late->set_cookie("edxsso_login=$value; Path=/"); # which a browser would not send any more
refused($late, $callback, 'a sign-in that took too long', status => 400, log => 'SSO0552', calls => 0,
    app => '/app/index.txt', next_user => undef);
no_secrets();
done_testing();
