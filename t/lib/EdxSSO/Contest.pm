# SPDX-License-Identifier: Apache-2.0
package EdxSSO::Contest;
# This module and its peers on the same httpd, with the same provider and the same claims: sites for the
# figures of t/bench. The provider is t/idp/oidc.py with 20 claims and 12 groups.
#
#   my $provider = EdxSSO::Contest::provider($servers);        # its URL
#   my $httpd = EdxSSO::Contest::site('edxsso', $provider);    # or: none, openidc, oauth2
#   my $cookies = EdxSSO::Contest::sign_in($httpd);            # 'name=value; ...' of a session, as the browser has them
use strict;
use warnings;
use EdxSSO::Browser;
use EdxSSO::Httpd;
use JSON::PP ();

my $CALLBACK = '/edxsso/callback/oidc'; # for all of them, so that the provider sees no difference
my $SECRET = 'rp-secret-of-at-least-thirty-two-bytes';

my %CLAIMS = (
    groups => [map { sprintf 'group-%02d-of-the-campus', $_ } 1 .. 12],
    locale => 'tr-TR', zoneinfo => 'Europe/Istanbul', department => 'Computer Engineering', job_title => 'Research Assistant',
    office => 'A-217', employee_id => 104_233, phone_number => '+90 312 555 0100', student => JSON::PP::false,
    website => 'https://people.campus.example/~jane', updated_at => 1_700_000_000, roles => [qw(staff teacher)],
);

sub provider {
    my ($servers, @options) = @_;
    my $root = $servers->start('/usr/bin/python3', 't/idp/oidc.py', @options);
    control($root, users => { name => 'jane', claims => \%CLAIMS });
    control($root, user => { default => 'jane' });
    control($root, config => { par => JSON::PP::false }); # which one of them would use
    return $root;
}

sub control {
    my ($root, $what, $given) = @_;
    my $answer = EdxSSO::Browser->new(base => $root, as => 'plain')->request(POST => "/_ctl/$what",
        body => JSON::PP->new->utf8->encode($given), headers => [['Content-Type', 'application/json']]);
    die "the provider: $what: " . $answer->status . ' ' . $answer->body . "\n" if $answer->status != 200;
    return;
}

my %LINES = (
    none => sub { '' },
    edxsso => sub {
        my ($root) = @_;
        return <<"END";
<EdxSSOProvider oidc oidc>
    EdxSSOIssuer        $root
    EdxSSODiscovery     $root/.well-known/openid-configuration
    EdxSSOClientID      rp
    EdxSSOClientSecret  $SECRET
</EdxSSOProvider>
EdxSSOExport both
<Location /app>
    AuthType edxsso
    Require  valid-user
</Location>
END
    },
);

# Whether what was built is what people install.
sub optimized {
    open my $in, '<', ($ENV{BUILD_DIR} || '.') . '/Makefile' or return 0;
    my %made = map { /^(CFLAGS|SANITIZE_FLAGS)\s*=\s*(.*)/ ? ($1 => $2) : () } <$in>;
    return ($made{CFLAGS} // '') =~ /-O[23]/ && ($made{SANITIZE_FLAGS} // '') !~ /sanitize/;
}

my %MODULES = (openidc => 'auth_openidc', oauth2 => 'oauth2');

sub site {
    my ($which, $root, %option) = @_;
    my $text = "KeepAlive on\nLogLevel warn\n" . ($option{server} // '') . $LINES{$which}->($root) . ($option{more} // '');
    my $httpd = EdxSSO::Httpd->new(mpm => 'event', without_module => $which ne 'edxsso',
        modules => [$MODULES{$which} // ()], config => $text, %{ $option{httpd} // {} });
    for my $place (qw(app open)) {
        mkdir $httpd->dir . "/htdocs/$place";
        open my $out, '>', $httpd->dir . "/htdocs/$place/index.txt" or die "$!\n";
        print {$out} "this is one small file\n";
        close $out;
    }
    return $httpd;
}

sub sign_in {
    my ($httpd, $path) = @_;
    my $browser = EdxSSO::Browser->new(base => $httpd->url);
    my $answer = $browser->follow($browser->get($path // '/app/index.txt'));
    die 'cannot sign in: ' . $answer->status . ' ' . $answer->body . "\n" . $httpd->log_text if $answer->status != 200;
    return join '; ', map { "$_->{name}=$_->{value}" } grep { $_->{domain} eq "localhost" } $browser->cookies;
}

1;
