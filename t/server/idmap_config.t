# SPDX-License-Identifier: Apache-2.0
# Mistakes in the directives of claims and of the ID mapping are seen by httpd -t, and each says what is allowed.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Httpd;

my $LMS = "EdxSSOURLRoot https://lms.example\nEdxSSOClientID x\nEdxSSOClientSecret y\n";
my $KEYS = "EdxSSOJWSHMACKey " . 'k' x 64 . "\n";

sub lms { return "<EdxSSOProvider lms edx>\n$LMS$KEYS" . join('', map { "$_\n" } @_) . "</EdxSSOProvider>\n" }
sub api { return "<EdxSSOProvider api edx>\nEdxSSOSignIn off\n$LMS" . join('', map { "$_\n" } @_) . "</EdxSSOProvider>\n" }

for my $case (
    ['a client needs neither keys nor scopes', api(), undef],
    ['a mapping by it', api() . lms('EdxSSOIDMapping api saml-x'), undef],
    ['a client may be asked by itself', api('EdxSSOIDMapping api saml-x'), undef],
    ['a mapping by nobody', lms('EdxSSOIDMapping api saml-x'), qr/SSO1200.*there is no <EdxSSOProvider api edx>/],
    ['half a mapping', api() . lms('EdxSSOIDMapping api'), qr/EdxSSOIDMapping: takes provider provider_id/],
    ['a provider id that is none', api() . lms('EdxSSOIDMapping api a/b'), qr/SSO1202.*such as saml-campus/],
    ['one without a dash', api() . lms('EdxSSOIDMapping api campus'), qr/SSO1203.*Syntax OK/s],
    ['nobody signs in by a client', api() . lms() . "<Location /x>\nEdxSSOUse api\n</Location>\n", qr/SSO1208/],
    ['a time out of bounds', api() . lms('EdxSSOIDMapping api saml-x', 'EdxSSOIDMappingCacheTTL 0'), qr/1s\.\.7d/],
    ['half a replacement', lms('EdxSSORemoteUser email ^x$'), qr/EdxSSORemoteUser: takes claim \[regex replacement\]/],
    ['an expression that is none', lms('EdxSSORemoteUser email ( $1'), qr/'\(' is not a regular expression/],
    ['a group that is not there', lms('EdxSSORemoteUser email ^(.)$ $2'), qr/'\$2': the regular expression has 1 groups/],
    ['an empty replacement', lms('EdxSSORemoteUser email @.*$ ""'), undef],
    ['an odd form', lms('EdxSSOIncompleteURL ftp://x'), qr/SSO1207/],
    ['one elsewhere by a path', lms('EdxSSOIncompleteURL //evil.example/'), qr/SSO1207/],
    ['a header of httpd\'s', lms() . "EdxSSOExportJWT host\n", qr/'host' has a meaning of its own/],
    ['another one', lms() . "EdxSSOExportJWT Content-Foo\n", qr/begin with Content-/],
    ['a service for everybody', api('EdxSSOIDMapping api saml-x') . "EdxSSOIDMappingService on\n", qr/SSO1204.*Syntax OK/s],
) {
    my ($why, $config, $says) = @$case;
    my ($exit, $output) = EdxSSO::Httpd->config_test($config);
    like($output, $says // qr/^(?!.*SSO\d).*Syntax OK$/s, $why);
    is($exit, ($says // qr/Syntax OK/) =~ /Syntax OK/ ? 0 : 1, 'its exit code');
}
done_testing();
