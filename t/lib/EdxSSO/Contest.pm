# SPDX-License-Identifier: Apache-2.0
package EdxSSO::Contest;
# This module and its peers on the same httpd, with the same provider and the same claims: sites for the
# figures of t/bench. The provider is t/idp/oidc.py with 20 claims and 12 groups.
#
#   my $provider = EdxSSO::Contest::provider($servers);        # its URL; well($provider): as at its start
#   my $httpd = EdxSSO::Contest::site('edxsso', $provider);    # or: none, openidc, oauth2; provider => lines about it,
#                                                              # server, more => lines before and after
#   my $token = EdxSSO::Contest::token(7);                     # for /api
#   EdxSSO::Contest::sign_in_by($client);                       # by an EdxSSO::Callgrind::Client: its two requests
#   my $cookies = EdxSSO::Contest::sign_in($httpd);            # 'name=value; ...' of a session, as the browser has them
use strict;
use warnings;
use File::Temp ();
use JSON::PP ();
use MIME::Base64 ();
use EdxSSO::Browser;
use EdxSSO::Httpd;

my $CALLBACK = '/edxsso/callback/oidc'; # for all of them, so that the provider sees no difference
my ($ISSUER, $AUDIENCE) = ('https://issuer.bench.example', 'api://bench');
my $SECRET = 'rp-secret-of-at-least-thirty-two-bytes';

my %CLAIMS = (
    groups => [map { sprintf 'group-%02d-of-the-campus', $_ } 1 .. 12],
    locale => 'tr-TR', zoneinfo => 'Europe/Istanbul', department => 'Computer Engineering', job_title => 'Research Assistant',
    employee_id => 104_233, phone_number => '+90 312 555 0100', student => JSON::PP::false,
    updated_at => 1_700_000_000, roles => [qw(staff teacher)],
);

sub provider {
    my ($servers, @options) = @_;
    my $root = $servers->start('/usr/bin/python3', 't/idp/oidc.py', @options);
    well($root);
    return $root;
}

# As at its start: it answers, and nothing was asked yet.
sub well {
    my ($root) = @_;
    control($root, reset => {});
    control($root, users => { name => 'jane', claims => \%CLAIMS });
    control($root, user => { default => 'jane' });
    control($root, config => { par => JSON::PP::false }); # which one of them would use
    return;
}

# Its control API; without a value a GET.
sub control {
    my ($root, $what, $given) = @_;
    my $caller = EdxSSO::Browser->new(base => $root, as => 'plain');
    my $answer = !defined $given ? $caller->get("/_ctl/$what") : $caller->request(POST => "/_ctl/$what",
        body => JSON::PP->new->utf8->encode($given), headers => [['Content-Type', 'application/json']]);
    die "the provider: $what: " . $answer->status . ' ' . $answer->body . "\n" if $answer->status != 200;
    return $answer->json;
}

# Whether what was built is what people install.
sub optimized {
    open my $in, '<', ($ENV{BUILD_DIR} || '.') . '/Makefile' or return 0;
    my %made = map { /^(CFLAGS|SANITIZE_FLAGS)\s*=\s*(.*)/ ? ($1 => $2) : () } <$in>;
    return ($made{CFLAGS} // '') =~ /-O[23]/ && ($made{SANITIZE_FLAGS} // '') !~ /sanitize/;
}

# ---- bearer tokens: RS256, of an issuer of our own, whose keys all of them have in a file

my %issuer;

sub issuer {
    return \%issuer if $issuer{dir};
    my $dir = File::Temp::tempdir('edxsso-issuer-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    chmod 0755, $dir;
    my $key = "$dir/key.pem";
    system("openssl req -x509 -newkey rsa:2048 -nodes -keyout $key -out $dir/cert.pem -days 2 -subj /CN=bench 2>/dev/null") == 0
        or die "openssl req\n";
    my ($hex) = `openssl rsa -in $key -noout -modulus 2>/dev/null` =~ /Modulus=(\w+)/ or die "openssl rsa\n";
    my $jwk = { kty => 'RSA', kid => 'bench', use => 'sig', alg => 'RS256', e => 'AQAB', n => base64url(pack 'H*', $hex) };
    open my $out, '>', "$dir/jwks.json" or die "$!\n";
    print {$out} json({ keys => [$jwk] });
    close $out;
    chmod 0644, glob "$dir/*";
    %issuer = (dir => $dir, jwk => json($jwk), key => $key);
    return \%issuer;
}

sub json { return JSON::PP->new->utf8->canonical->encode($_[0]) }

sub base64url {
    my $text = MIME::Base64::encode_base64($_[0], '');
    $text =~ tr{+/=}{-_}d;
    return $text;
}

# A token of about 700 bytes; another one for each number.
sub token {
    my ($number) = @_;
    my $from = issuer();
    my %claims = (iss => $ISSUER, aud => $AUDIENCE, sub => "user-$number", exp => time + 3600, iat => time, jti => "jti-$number",
        client_id => 'bench', scope => 'read write', name => 'Jane Doe', email => 'jane@campus.example');
    my $signed = join '.', base64url(json({ alg => 'RS256', typ => 'at+jwt', kid => 'bench' })), base64url(json(\%claims));
    my $file = "$from->{dir}/token";
    open my $out, '>', $file or die "$!\n";
    print {$out} $signed;
    close $out;
    my $signature = `openssl dgst -sha256 -sign $from->{key} $file`;
    return "$signed." . base64url($signature);
}

# ---- what each module is configured with

my %LINES = (
    none => sub { '' },
    edxsso => sub {
        my ($root, $about) = @_;
        my $jwks = issuer()->{dir} . '/jwks.json';
        return <<"END";
<EdxSSOProvider oidc oidc>
    EdxSSOIssuer        $root
    EdxSSODiscovery     $root/.well-known/openid-configuration
    EdxSSOClientID      rp
    EdxSSOClientSecret  $SECRET
$about</EdxSSOProvider>
<EdxSSOProvider api oidc>
    EdxSSOIssuer        $ISSUER
    EdxSSODiscovery     off
    EdxSSOEndpoint      authorization $ISSUER/authorize
    EdxSSOEndpoint      token $ISSUER/token
    EdxSSOJWKS          file:$jwks
    EdxSSOAudience      $AUDIENCE
    EdxSSOClientID      bench
    EdxSSOClientSecret  $SECRET
</EdxSSOProvider>
EdxSSOExport both
<Location /app>
    AuthType edxsso
    Require  valid-user
    EdxSSOUse oidc
</Location>
<Location /api>
    AuthType edxsso
    Require  valid-user
    EdxSSOUse api
    EdxSSOCredentials bearer
</Location>
END
    },
    openidc => sub {
        my ($root, $about) = @_;
        my $cert = issuer()->{dir} . '/cert.pem';
        return <<"END";
OIDCProviderMetadataURL  $root/.well-known/openid-configuration
OIDCClientID             rp
OIDCClientSecret         $SECRET
OIDCRedirectURI          $CALLBACK
OIDCCryptoPassphrase     a-passphrase-of-the-bench-0123456789
OIDCScope                "openid profile email"
OIDCPKCEMethod           S256
OIDCPassClaimsAs         both
OIDCOAuthVerifyCertFiles bench#$cert
OIDCOAuthRemoteUserClaim sub
$about<Location /app>
    AuthType openid-connect
    Require  valid-user
</Location>
<Location $CALLBACK>
    AuthType openid-connect
    Require  valid-user
</Location>
<Location /api>
    AuthType oauth20
    Require  valid-user
</Location>
END
    },
    oauth2 => sub {
        my $jwk = issuer()->{jwk};
        return <<"END";
OAuth2TokenVerify jwk '$jwk'
<Location /api>
    AuthType oauth2
    Require  valid-user
</Location>
END
    },
);

my %MODULES = (openidc => 'auth_openidc', oauth2 => 'oauth2');

# Sessions in an EdxSSO::Redis
sub redis_lines {
    my ($which, $redis) = @_;
    return 'EdxSSOStore "' . $redis->url . "\"\nEdxSSOSecret \"a secret that all httpds of the bench know, of some length\"\n"
        if $which eq 'edxsso';
    return $which ne 'openidc' ? '' : "OIDCCacheType redis\nOIDCRedisCacheServer 127.0.0.1:" . $redis->port
        . "\nOIDCRedisCachePassword " . $redis->password . "\n";
}

sub site {
    my ($which, $root, %option) = @_;
    my $text = "KeepAlive on\nLogLevel warn\n" . ($option{server} // '') . $LINES{$which}->($root, $option{provider} // '') . ($option{more} // '');
    my $httpd = EdxSSO::Httpd->new(mpm => 'event', without_module => $which ne 'edxsso',
        modules => [$MODULES{$which} // ()], config => $text, %{ $option{httpd} // {} });
    for my $place (qw(app open api)) {
        mkdir $httpd->dir . "/htdocs/$place";
        open my $out, '>', $httpd->dir . "/htdocs/$place/index.txt" or die "$!\n";
        print {$out} "this is one small file\n";
        close $out;
    }
    return $httpd;
}

# Whether httpd could load a module.
sub there {
    my ($which) = @_;
    return !$MODULES{$which} || -e EdxSSO::Httpd::module_dir() . "/mod_$MODULES{$which}.so";
}

sub sign_in {
    my ($httpd, $path) = @_;
    my $browser = EdxSSO::Browser->new(base => $httpd->url);
    my $answer = $browser->follow($browser->get($path // '/app/index.txt'));
    die 'cannot sign in: ' . $answer->status . ' ' . $answer->body . "\n" . $httpd->log_text if $answer->status != 200;
    return join '; ', map { "$_->{name}=$_->{value}" } grep { $_->{domain} eq "localhost" } $browser->cookies;
}

# The two requests of a sign-in that are the module's, by one kept connection: what sends the browser to the
# provider, and what it comes back with. Dies where either is not answered with a redirect.
sub sign_in_by {
    my ($client, $path) = @_;
    my $provider = sent($client, $path // '/app/index.txt');
    my %cookie;
    $cookie{$1} = $2 while $client->{answer} =~ /^Set-Cookie: ([^=;\s]+)=([^;\r]+)/mgi;
    my $back = EdxSSO::Browser->new->get($provider)->location // die "the provider sends nobody back from $provider\n";
    sent($client, $back =~ s{^\w+://[^/]+}{}r, 'Cookie: ' . join '; ', map { "$_=$cookie{$_}" } sort keys %cookie);
    return;
}

sub sent {
    my ($client, @request) = @_;
    my $status = $client->get(@request);
    my ($to) = $client->{answer} =~ /^Location: (\S+)/mi;
    return $to // die "$request[0]: $status instead of a redirect\n$client->{answer}\n";
}

1;
