# SPDX-License-Identifier: Apache-2.0
package EdxSSO::Site;
# A site with a private httpd, for tests that restart, kill or starve it: a provider `lms` of the
# stand-in LMS, /app for those who are signed in (it says who in X-User), /open for everybody.
#
#   my $httpd = site(server => "EdxSSOStore shm:4M\n", provider => "...", more => "...", mpm => 'worker');
#   $httpd->start;
#   my $browser = sign_in($httpd);               # undef when it did not work
#   my $cookie = cookie_of($browser);            # 'edxsso=...'
#   alive($httpd, @cookies);                     # how many of these sessions are alive
#   load($httpd, @cookies, { clients => 2 });    # an EdxSSO::Load of requests of /app
#   own_lms();                                   # the stand-in LMS is one of this test's own from here on
#
# provider: lines of the section; without keys among them they are those of the stand-in of t/TEST.
# root, public: of another stand-in. Everything else is an option of EdxSSO::Httpd.
use strict;
use warnings;
use Exporter 'import';
use EdxSSO::Browser;
use EdxSSO::Httpd;
use EdxSSO::Load;
use EdxSSO::Servers;
use EdxSSO::SignIn ();
use File::Temp ();
our @EXPORT = qw(site site_text sign_in cookie_of alive load file_mode own_lms);

my $servers;
sub own_lms {
    my $dir = $ENV{LMS_FILES} = File::Temp::tempdir('edxsso-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    $servers = EdxSSO::Servers->new;
    $ENV{LMS_ROOT} = $servers->start('/usr/bin/python3', 't/idp/lms.py', '--write-jwks', "$dir/lms-jwks.json");
    return EdxSSO::SignIn::lms_root($ENV{LMS_ROOT});
}

sub site_text {
    my (%option) = @_;
    my $provider = $option{provider} // '';
    $provider .= "EdxSSOJWKS file:$ENV{LMS_FILES}/lms-jwks.json\n"
        unless $provider =~ /EdxSSO(JWKS|Discovery|JWSHMACKey)\s/;
    my $root = $option{root} // $ENV{LMS_ROOT};
    return ($option{server} // '') . "<EdxSSOProvider lms edx>\nEdxSSOURLRoot $root\n"
        . "EdxSSOClientID studio-sso\nEdxSSOClientSecret studio-secret\n$provider</EdxSSOProvider>\n"
        . "<Location /app>\nAuthType edxsso\nRequire valid-user\nHeader set X-User \"expr=%{REMOTE_USER}\"\n</Location>\n"
        . ($option{more} // '');
}

sub site {
    my (%option) = @_;
    my $text = site_text(%option);
    delete @option{qw(server provider more root)};
    my $httpd = EdxSSO::Httpd->new(%option, config => $text);
    for my $place (qw(app open)) {
        mkdir $httpd->dir . "/htdocs/$place";
        open my $out, '>', $httpd->dir . "/htdocs/$place/index.txt" or die "$!\n";
        print {$out} "this is $place\n";
        close $out;
    }
    return $httpd;
}

sub sign_in {
    my ($httpd, $path) = @_;
    my $browser = EdxSSO::Browser->new(base => $httpd->url);
    my $answer = eval { $browser->follow($browser->get($path // '/app/index.txt')) } or return;
    return $answer->status == 200 && $browser->cookie('edxsso') ? $browser : undef;
}

sub cookie_of {
    my ($browser) = @_;
    return 'edxsso=' . $browser->cookie('edxsso')->{value};
}

sub alive {
    my ($httpd, @cookies) = @_;
    my $count = 0;
    for my $cookie (@cookies) {
        my $answer = EdxSSO::Browser->new(base => $httpd->url)->get('/app/index.txt', headers => [['Cookie', $cookie]]);
        $count++ if $answer->status == 200 && length($answer->header('X-User') // '');
    }
    return $count;
}

sub load {
    my ($httpd, @cookies) = @_;
    my %option = ref $cookies[-1] ? %{ pop @cookies } : ();
    return EdxSSO::Load->start(port => $httpd->port, path => '/app/index.txt', cookies => [@cookies], %option);
}

sub file_mode { return sprintf '%04o', ((stat $_[0])[2] // 0) & 07777 }

1;
