# SPDX-License-Identifier: Apache-2.0
# Each guide, followed: the configuration that it gives, with the hosts of stand-ins for those in it, and somebody
# signs in. (That httpd takes all of their configurations is t/docs.t's.)
use strict;
use warnings;
use File::Temp ();
use JSON::PP ();
use EdxSSO::Httpd;
use EdxSSO::Op;
use EdxSSO::Redis;
use EdxSSO::SignIn;
use EdxSSO::Test;

allow_log('SSO0564');
my $dir = File::Temp->newdir;
my %secret = ('lms.secret' => 'studio-secret', 'entra.secret' => 's3cr~et.of_edx-1', 'site.secret' => 's' x 48, 'keycloak.secret' => 'social-secret',
    'google.secret' => 'social-secret');
sub write_secrets {
    for my $name (keys %secret) {
        open my $out, '>', "$dir/$name" or die "$!\n";
        print {$out} "$secret{$name}\n";
        close $out;
        chmod 0600, "$dir/$name";
    }
    return;
}
write_secrets();
symlink "$ENV{LMS_FILES}/lms-jwks.json", "$dir/lms-jwks.json";

# The n-th configuration of a guide, as it stands but for what the pairs replace.
sub configuration {
    my ($guide, $n, @replace) = @_;
    open my $in, '<:encoding(UTF-8)', "docs/guides/$guide.md" or die "$guide: $!\n";
    my $text = do { local $/; <$in> };
    my @blocks = $text =~ /^```apache\n(.*?)^```$/msg;
    my $config = $blocks[$n] // die "$guide has no configuration $n\n";
    $config =~ s{/etc/edxsso/}{$dir/}g;
    $config =~ s{^\s*SSL.*\n}{}mg; # TLS is somebody else's here
    $config =~ s{\*:443}{*:\@PORT\@}g;
    $config =~ s{^(\s*ServerName ).*}{$1localhost:\@PORT\@}mg;
    $config =~ s{http://127\.0\.0\.1:8001/}{$ENV{ECHO_ROOT}/}g;
    while (my ($what, $with) = splice @replace, 0, 2) {
        $config =~ s/$what/$with/g or die "$guide: nothing to replace by $with in:\n$config";
    }
    return $config;
}

my @running; # stopped all at once, which takes no longer than one of them
END { $_->kill('TERM') for @running }

# What an app behind httpd saw of somebody who signed in.
sub follow_guide {
    my ($guide, $config, $path) = @_;
    my $lms = $config =~ /<EdxSSOProvider/ ? '' : configuration('from-edx-auth-backends', 0,
        'https://courses\.example\.org', $ENV{LMS_ROOT}) =~ s{<Location.*}{}sr;
    my $proxy = $config =~ /ProxyPass/ ? '' : "ProxyPass / $ENV{ECHO_ROOT}/\n";
    my $httpd = EdxSSO::Httpd->new(config => "$lms$config$proxy", modules => [qw(ssl rewrite)])->start;
    push @running, $httpd;
    my $browser = EdxSSO::Browser->new(base => $httpd->url);
    my $answer = $browser->follow($browser->get($path));
    is($answer->status, 200, "$guide: somebody signs in") or diag($answer->body . $httpd->log_text);
    return ($answer->body, $httpd, $browser);
}
sub user_is {
    my ($guide, $config, $path, $user) = @_;
    my ($seen, $httpd, $browser) = follow_guide($guide, $config, $path);
    like($seen, qr/^Remote-User: $user\r?$/m, "$guide: the app sees who");
    return ($httpd, $browser, $seen);
}

my @LMS = ('https://courses\.example\.org', $ENV{LMS_ROOT});
lms_reset();

my ($httpd, $browser) = user_is('studio-lms', configuration('studio-lms', 0, @LMS), '/', 'jsmith');
my $out = $browser->get('/edxsso/logout');
like($out->location, qr{^\Q$ENV{LMS_PUBLIC}\E/logout\?client_id=studio-sso&redirect_url=https%3A%2F%2Fstudio}, 'studio-lms: and signs out');

user_is('from-edx-auth-backends', configuration('from-edx-auth-backends', 0, @LMS), '/', 'jsmith');
{
    ($httpd, $browser) = user_is('apps', configuration('apps', 0), '/page', 'jsmith');
    my $plain = EdxSSO::Browser->new(base => $httpd->url, as => 'plain');
    is($plain->get('/static/x', headers => [['Remote-User', 'root']])->status, 200, 'apps: what is open is open');
    unlike($plain->get('/static/x', headers => [['Remote-User', 'root']])->body, qr/root/, 'apps: and believes nobody');
    is($plain->get('/page')->status, 401, 'apps: the rest is not');
}

SKIP: {
    my $redis = EdxSSO::Redis->new or skip 'no redis-server here', 2;
    $redis->start;
    my $config = configuration('redis', 0, 'rediss://\S+', $redis->url);
    $config =~ s/^(?=EdxSSOStore)/EdxSSOTokenRefresh off\n/m;
    user_is('redis', "$config<Location />\nAuthType edxsso\nRequire valid-user\n</Location>\n", '/', 'jsmith');
    $redis->stop;
}

# ---- Entra

sub entra {
    my ($what, $given) = @_;
    my $answer = EdxSSO::Browser->new(base => $ENV{ENTRA_ROOT}, as => 'plain')->request(POST => "/_ctl/$what",
        body => JSON::PP->new->encode($given), headers => [['Content-Type', 'application/json']]);
    die "stand-in Entra: $what: " . $answer->body . "\n" if $answer->status != 200;
    return;
}
entra(reset => {});
entra(apps => { name => $_, redirect_uris => [map { "http://localhost/edxsso/callback/$_" } qw(campus partners)] }) for qw(single groups multi all);
entra(user => { default => 'adele' });
my $CONTOSO = '634aea33-7309-5fb7-9392-e7e153923083';
my $AUTHORITY = "EdxSSOAuthority $ENV{ENTRA_ROOT}\nEdxSSOTenant";
user_is('entra', configuration('entra', 0, '9f1c0f0e-\S+', 'fa295920-228f-5d6b-82fd-aebf62c79b77', 'EdxSSOTenant(?!\w)', $AUTHORITY), '/studio',
    "[0-9a-f-]{36}\@$CONTOSO");
user_is('tenants', configuration('tenants', 0, '9f1c0f0e-\S+', '5768a38c-8186-558a-bf28-998d8afebfb4', 'EdxSSOTenant(?!\w)', $AUTHORITY), '/contoso',
    "[0-9a-f-]{36}\@$CONTOSO");

# ---- OpenID Connect

user_is('keycloak-google', configuration('keycloak-google', 0, 'https://sso\.example\.org/realms/campus', "$ENV{SOCIAL_ROOT}/keycloak/realms/campus",
    'EdxSSOClientID\s+studio', 'EdxSSOClientID site', 'role editor', 'role author'), '/studio', '\S+@127\.0\.0\.1');
user_is('keycloak-google: Google', configuration('keycloak-google', 1, 'EdxSSOClientID\s+\S+', "EdxSSOClientID site\nEdxSSODiscovery "
        . "$ENV{SOCIAL_ROOT}/google/.well-known/openid-configuration", 'hd example\.org', 'hd campus.test', 'hd:example\.org', 'hd:campus.test'),
    '/studio', '\S+@accounts\.google\.com');
{
    my $op = EdxSSO::Op->new;
    $op->ctl(clients => { client_id => 'rp', secret => 'rp-secret-of-at-least-thirty-two-bytes',
        redirect_uris => ['http://localhost/redirect_uri'] });
    my ($seen) = eval { follow_guide('from-mod_auth_openidc', configuration('from-mod_auth_openidc', 0, 'https://idp\.example\.org', $op->root,
        'EdxSSOClientID\s+studio', 'EdxSSOClientID rp', 'file:\S+campus\.secret', 'rp-secret-of-at-least-thirty-two-bytes', 'Require\s+edxsso-claim groups:editors', 'Require valid-user'),
        '/studio') };
    like($seen // $@, qr/^Oidc-Claim-Sub: \S/m, 'from-mod_auth_openidc: under the names of before');
}
done_testing();
