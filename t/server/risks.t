# SPDX-License-Identifier: Apache-2.0
# Settings that work and are risky: httpd -t says so, and only then.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Httpd;
use File::Temp ();

my $dir = File::Temp->newdir;
system("openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=site -out $dir/cert.pem -keyout $dir/key.pem 2>/dev/null") == 0
    or die "openssl req failed\n";
sub file { my ($name, $mode, $text) = @_; open my $out, '>', "$dir/$name" or die "$!\n"; print {$out} $text // 'x' x 48; close $out;
    chmod $mode, "$dir/$name"; return "$dir/$name" }
sub mode { chmod $_[0], "$dir/key.pem"; return }

my $JWKS = "EdxSSOJWKS file:$ENV{LMS_FILES}/lms-jwks.json\n";
sub lms { return "<EdxSSOProvider lms edx>\nEdxSSOURLRoot https://lms.example.org\nEdxSSOClientID studio-sso\n"
    . "EdxSSOClientSecret literal\n$JWKS" . ($_[0] // '') . "</EdxSSOProvider>\n" }
sub entra { return "<EdxSSOProvider campus entra>\nEdxSSOTenant common\nEdxSSOClientID app\nEdxSSOClientSecret literal\n$_[0]</EdxSSOProvider>\n" }

# numbers of the warnings that are expected; the configuration
my @cases = (
    ['nothing risky', [], "EdxSSOReturnHosts courses.example.org localhost:8000 [::1]:80\n" . lms()],
    ['a site of a shared suffix', ['SSO1302'], "EdxSSOReturnHosts campus.github.io\n" . lms()],
    ['the suffix itself', ['SSO1302'], "EdxSSOReturnHosts GitHub.io:8443\n" . lms()],
    ['a name that only looks like it', [], "EdxSSOReturnHosts notgithub.io\n" . lms()],
    ['a host without domain', ['SSO1303'], "EdxSSOReturnHosts intranet\n" . lms()],
    ['many hosts', ['SSO1304'], 'EdxSSOReturnHosts ' . join(' ', map { "h$_.example.org" } 1 .. 17) . "\n" . lms()],
    ['many hosts, but not too many', [], 'EdxSSOReturnHosts ' . join(' ', map { "h$_.example.org" } 1 .. 16) . "\n" . lms()],
    ['risky, but without a provider', [], "EdxSSOReturnHosts intranet\n"],
    ['a cookie domain of others', ['SSO1305'], "ServerName studio.example.org\nEdxSSOCookieDomain example.net\n" . lms()],
    ['a cookie domain that is none', ['SSO1306'], "ServerName studio.example.org\nEdxSSOCookieDomain org\n" . lms()],
    ['a cookie domain', [], "ServerName studio.example.org\nEdxSSOCookieDomain .example.org\n" . lms()],
    ['12 for 12h', ['SSO1413'], "EdxSSOSessionIdle 12\n" . lms()],
    ['half a minute to sign in', ['SSO1413'], "EdxSSOLoginTimeout 30s\n" . lms()],
    ['a minute', [], "EdxSSOSessionIdle 1m\nEdxSSOSessionMax 1m\nEdxSSOLoginTimeout 60\n" . lms()],
    ['any tenant', ['SSO1307'], entra("EdxSSOTenantAllow any\n")],
    ['one tenant', [], entra("EdxSSOTenantAllow 634aea33-7309-5fb7-9392-e7e153923083\n")],
    ['metadata by http', ['SSO1308'], entra("EdxSSOTenantAllow consumers\nEdxSSODiscovery http://login.example.org/metadata\n")],
    ['metadata by http on loopback', [], entra("EdxSSOTenantAllow consumers\nEdxSSODiscovery http://127.0.0.1:9/metadata\n")],
    ['a password for Redis', ['SSO1309'], "EdxSSOStore redis://:pw\@redis.example.org:6379/0\n" . lms()],
    ['on loopback', [], "EdxSSOStore redis://:pw\@127.0.0.1:6379/0\n" . lms()],
    ['no password', [], "EdxSSOStore redis://redis.example.org\n" . lms()],
    ['with TLS', [], "EdxSSOStore rediss://:pw\@redis.example.org\n" . lms()],
    ['a secret that the group can read', ['SSO1301'], 'EdxSSOSecret file:' . file('group', 0640) . "\n" . lms()],
    ['a secret that everybody can read', ['SSO0031'], 'EdxSSOSecret file:' . file('open', 0644) . "\n" . lms()],
    ['a secret of ours alone', [], 'EdxSSOSecret file:' . file('own', 0600) . "\n" . lms()],
    ['a key that everybody can read', ['SSO0031'], lms("EdxSSOClientAuth private_key_jwt\nEdxSSOClientCertificate $dir/cert.pem $dir/key.pem\n"), 0644],
    ['a key that the group can read', ['SSO1301'], lms("EdxSSOClientAuth private_key_jwt\nEdxSSOClientCertificate $dir/cert.pem $dir/key.pem\n"), 0640],
    ['a decryption key', ['SSO0031'], lms("EdxSSODecryptionKey $dir/key.pem\n"), 0604],
    ['a federated assertion that everybody can read', ['SSO1300'], lms('EdxSSOClientAssertion file:' . file('assertion', 0644, 'a.b.c') . "\n")],
    ['a key of ours alone', [], lms("EdxSSODecryptionKey $dir/key.pem\n"), 0600],
);
for my $case (@cases) {
    my ($name, $numbers, $config, $mode) = @$case;
    mode($mode // 0600);
    my ($exit, $output) = EdxSSO::Httpd->config_test($config . "<VirtualHost *:1>\n</VirtualHost>\n");
    is($exit, 0, "$name: httpd starts all the same") or diag($output);
    my %found = map { $_ => 1 } $output =~ /\b(SSO(?:13\d\d|1413|0031)): /g;
    is(join(' ', sort keys %found), "@$numbers", $name) or diag($output);
    my $count = () = $output =~ /\bSSO1[34]\d\d: /g;
    cmp_ok($count, '<=', 1, "$name: said once, not for each virtual host");
    unlike($output, qr/:pw/, "$name: no password") if $config =~ /:pw/;
}
done_testing();
