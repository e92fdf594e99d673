#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
# What sign-ins cost httpd and the provider, and what happens when the provider is slow, hangs or is not there. Parts
# of make bench, this module beside mod_auth_openidc; t/bench/run.sh calls it.
#
#   provider.pl signin      processor time of a sign-in, connections to the provider
#   provider.pl documents   a cold cache, documents past their time, a start without the provider
#   provider.pl hang        what who is signed in notices of a provider that hangs
use strict;
use warnings;
use File::Temp ();
use Time::HiRes qw(time sleep);
use EdxSSO::Bench;
use EdxSSO::Callgrind;
use EdxSSO::Contest;
use EdxSSO::Load;
use EdxSSO::Op;
use EdxSSO::Servers;

my ($METADATA, $KEYS, $TOKEN) = qw(/.well-known/openid-configuration /jwks /token);
my $BROWSER_SENDS = '/authorize'; # what the provider is asked by browsers, not by httpd
my $MANY_THREADS = "ServerLimit 4\nStartServers 4\nThreadLimit 64\nThreadsPerChild 64\nMaxRequestWorkers 256\n"
    . "MaxSpareThreads 256\n";
my $AT_ONCE = 0.5; # seconds
# where calls of the provider may take 2 s
my %PATIENT = (openidc => [provider => "OIDCHTTPTimeoutLong 2\nOIDCHTTPTimeoutShort 2\n"],
    edxsso => [server => "EdxSSOHTTPTimeout 1s 2s\n"]);

my $LOGS = $ENV{BENCH_DIR} || '/tmp';
my $servers = EdxSSO::Servers->new(logs => $LOGS);
our $provider = EdxSSO::Contest::provider($servers);
my @which = modules();
$| = 1;

sub fault { my (@endpoints) = @_; my %how = %{ pop @endpoints }; EdxSSO::Contest::control($provider, answer => { endpoint => $_, %how }) for @endpoints; return }
sub calls { return EdxSSO::Contest::control($provider, "requests?endpoint=$_[0]&last=1")->{count} }
sub with { my ($status, @answers) = @_; return scalar grep { $_->status == $status } @answers }

# ---- sign-ins

# Of 300 sign-ins, less that of as many plain requests as they are, by one kept connection each.
sub cpu_of_sign_ins {
    my ($httpd, $count) = @_;
    my $client = EdxSSO::Callgrind::Client->new($httpd->port);
    my @seen = cpu($httpd);
    for my $work (sub { EdxSSO::Contest::sign_in_by($client) }, sub { $client->get('/open/index.txt') for 1, 2 }) {
        $work->() for 1 .. $count;
        push @seen, cpu($httpd);
    }
    return (($seen[1] - $seen[0]) - ($seen[2] - $seen[1])) / $count * 1000;
}

sub connections {
    my ($httpd, $count) = @_;
    EdxSSO::Contest::control($provider, forget => {});
    EdxSSO::Contest::sign_in($httpd) for 1 .. $count;
    my $asked = EdxSSO::Contest::control($provider, 'requests')->{counts};
    my %ports = map { $_->{peer_port} => 1 } map { @{ EdxSSO::Contest::control($provider, "requests?endpoint=$_")->{requests} } }
        grep { $_ ne $BROWSER_SENDS } keys %$asked;
    return scalar keys %ports;
}

sub signin {
    my %httpd = map { $_ => EdxSSO::Contest::site($_, $provider, more => "MaxKeepAliveRequests 0\n")->start } @which;
    cpu_of_sign_ins($httpd{$_}, 20) for @which; # caches fill, children meet the provider
    my %cpu = rounds(map { my $which = $_; [$which => sub { cpu_of_sign_ins($httpd{$which}, 60) }] } @which);
    row('processor time of a sign-in, ms', both(sub { sprintf '%.2f', median(@{ $cpu{ $_[0] } }) }), '<= 0.5');
    row('connections to the provider for 100 sign-ins', both(sub { connections($httpd{ $_[0] }, 100) }), '<= 2');
    return;
}

# ---- documents

# All of them are waiting when the answer comes.
sub cold_metadata {
    my ($which) = @_;
    EdxSSO::Contest::well($provider);
    my $httpd = EdxSSO::Contest::site($which, $provider, more => $MANY_THREADS, httpd => { without => ['watchdog'] })->start;
    fault($METADATA, { delay => 2, count => 0 });
    my @answers = at_once($httpd->port, 200, '/app/index.txt');
    return sprintf '%d; %d of 200', calls($METADATA), with(302, @answers);
}

# TLS, as the peer asks for its keys by nothing else
my %BEARER = (
    openidc => sub { (provider => "OIDCOAuthVerifyJwksUri $_[0]/jwks\nOIDCCABundlePath $_[1]\n",
        more => "$MANY_THREADS<Location /keys>\nAuthType oauth20\nRequire valid-user\n</Location>\n") },
    edxsso => sub { (provider => "EdxSSOAudience api://bench\n", server => "EdxSSOHTTPCAFile $_[1]\n",
        more => "$MANY_THREADS<Location /keys>\nAuthType edxsso\nRequire valid-user\nEdxSSOUse oidc\n"
            . "EdxSSOCredentials bearer\n</Location>\n") },
);

sub cold_keys {
    my ($which) = @_;
    my $dir = File::Temp::tempdir(CLEANUP => 1);
    chmod 0755, $dir;
    system('/usr/bin/python3', 't/lib/certificates.py', $dir) == 0 or die "no certificates\n";
    my $own = EdxSSO::Servers->new(logs => $LOGS);
    local $provider = EdxSSO::Contest::provider($own, '--cert', "$dir/server.pem", '--key', "$dir/server.key");
    my $httpd = EdxSSO::Contest::site($which, $provider, $BEARER{$which}->($provider, "$dir/ca.pem"),
        httpd => { without => ['watchdog'] })->start;
    symlink 'open', $httpd->dir . '/htdocs/keys';
    my $now = int time;
    my $token = EdxSSO::Contest::control($provider, mint => { typ => 'at+jwt', claims => { iss => $provider, sub => 'jane',
        aud => 'api://bench', client_id => 'bench', iat => $now, exp => $now + 3600, jti => 'bench-1' } })->{token};
    fault($KEYS, { delay => 2, count => 0 });
    my @answers = at_once($httpd->port, 200, '/keys/index.txt', undef, "Authorization: Bearer $token\r\n");
    return sprintf '%d; %d of 200', calls($KEYS), with(200, @answers);
}

# Documents are kept for a second, and asked for again when the provider hangs.
my %SHORT_LIVED = (
    openidc => [provider => "OIDCProviderMetadataRefreshInterval 1\nOIDCHTTPTimeoutLong 5\n"],
    edxsso => [provider => "EdxSSOProviderConfigurationCacheTTL 1s\nEdxSSOJWKSCacheTTL 1s\n"],
);

sub expired {
    my ($which) = @_;
    EdxSSO::Contest::well($provider);
    my $httpd = EdxSSO::Contest::site($which, $provider, @{ $SHORT_LIVED{$which} }, more => $MANY_THREADS)->start;
    EdxSSO::Contest::sign_in($httpd);
    fault($METADATA, $KEYS, { wire => 'hang', count => 0 });
    sleep 2.5;
    my $began = time;
    my $started = with(302, at_once($httpd->port, 40, '/app/index.txt'));
    return sprintf '%d of 40; %.2f s', $started, time - $began;
}

# What a first visitor gets, how soon, and how long after the provider is there one can sign in.
sub down {
    my ($which) = @_;
    my $port = EdxSSO::Httpd::free_port();
    my $httpd = EdxSSO::Contest::site($which, "http://127.0.0.1:$port")->start;
    my $began = time;
    my ($answer) = at_once($httpd->port, 1, '/app/index.txt');
    my $took = time - $began;
    my $late = EdxSSO::Servers->new(logs => $LOGS);
    EdxSSO::Contest::provider($late, '--port', $port);
    $began = time;
    my $back = $httpd->wait_until(sub { eval { EdxSSO::Contest::sign_in($httpd) } });
    return sprintf '%d; %.2f s; %s', $answer->status, $took, $back ? sprintf '%.1f s', time - $began : 'never';
}

sub documents {
    row('cold cache: metadata fetched; sign-ins started', both(\&cold_metadata), '<= 1; = 200');
    row('cold cache: keys fetched; bearers let in', both(\&cold_keys), '<= 1; = 200');
    row('documents expired, provider hangs: sign-ins started; after', both(\&expired), "= 40; <= $AT_ONCE s");
    row('start without the provider: status; after; works when back', both(\&down), "= 503; <= $AT_ONCE s; <= 6");
    return;
}

# ---- a provider that hangs

# p99 while so many come to sign in, ms: as many whether the provider is well or not
sub p99 {
    my ($httpd, $cookies) = @_;
    my $others = EdxSSO::Load->start(clients => 4, pause => 0.3, expect => 'x', each => sub { eval { EdxSSO::Contest::sign_in($httpd) }; 'x' });
    my $load = EdxSSO::Load->start(port => $httpd->port, path => '/app/index.txt', cookies => [$cookies], clients => 2, pause => 0.002);
    sleep($ENV{BENCH_SECONDS} || 3);
    my ($seen) = ($load->stop, $others->stop);
    die EdxSSO::Load::summary($seen) . "\n" if ($seen->{status}{200} // 0) != $seen->{requests};
    return 1000 * EdxSSO::Load::quantile($seen, 0.99);
}

sub hang {
    my (%httpd, %cookies);
    for my $which (@which) {
        $httpd{$which} = EdxSSO::Contest::site($which, $provider, @{ $PATIENT{$which} })->start;
        $cookies{$which} = EdxSSO::Contest::sign_in($httpd{$which});
    }
    my $state = sub { my ($hangs) = @_; EdxSSO::Contest::well($provider); fault($METADATA, $KEYS, $TOKEN, { wire => 'hang', count => 0 }) if $hangs; return };
    my %found = rounds(map { my $which = $_;
        map { my $hangs = $_; ["$which $hangs" => sub { $state->($hangs); return p99($httpd{$which}, $cookies{$which}) }] } 0, 1 } @which);
    row('p99 of signed-in requests, provider hangs / is well', both(sub { my ($which) = @_;
        sprintf '%.2f', median(@{ $found{"$which 1"} }) / median(@{ $found{"$which 0"} }) }), '<= 1.1');
    return;
}

my %parts = (signin => \&signin, documents => \&documents, hang => \&hang);
my $part = $parts{ $ARGV[0] // '' } or die "signin, documents or hang\n";
head($ARGV[0]);
$part->();
