# SPDX-License-Identifier: Apache-2.0
# SetHandler edxsso-metrics and mod_status: what is counted, in forms that others read; over restarts and the
# death of children; who may look. traceparent, to providers and to apps.
use strict;
use warnings;
use File::Temp ();
use JSON::PP ();
use EdxSSO::SignIn;
use EdxSSO::Site;
use EdxSSO::Test;

allow_log('SSO0564');
lms_reset();
my $httpd = site(modules => [qw(rewrite authz_host)], more => <<"EOT");
ExtendedStatus on
ProxyPass /proxied $ENV{ECHO_ROOT}/proxied
RewriteEngine on
RewriteRule ^/edxsso/ /nothing
<Location /metrics>
    SetHandler edxsso-metrics
</Location>
<Location /edxsso/metrics>
    SetHandler edxsso-metrics
    AuthType edxsso
    Require  valid-user
</Location>
<Location /denied/metrics>
    SetHandler edxsso-metrics
    Require all denied
</Location>
<Location /server-status>
    SetHandler server-status
</Location>
EOT
$httpd->start;
my $plain = EdxSSO::Browser->new(base => $httpd->url, as => 'plain');

# samples as a parser reads them: name{label="value",...} => value, labels in the order of their names
sub samples {
    my ($accept) = @_;
    my $answer = $plain->get('/metrics', headers => $accept ? [[Accept => $accept]] : []);
    my $file = File::Temp->new;
    print {$file} $answer->body;
    close $file;
    my $module = $accept ? 'openmetrics.parser' : 'parser';
    my $json = `/usr/bin/python3 -c '
import json, sys
from prometheus_client.$module import text_string_to_metric_families
found = {}
for family in text_string_to_metric_families(open(sys.argv[1]).read()):
    assert family.documentation and family.type != "unknown", family
    for s in family.samples:
        key = s.name + "{" + ",".join("%s=%s" % pair for pair in sorted(s.labels.items())) + "}"
        assert key not in found, key
        found[key] = s.value
json.dump(found, sys.stdout)' $file`;
    die "not read by prometheus_client.$module\n" . $answer->body if $?;
    return JSON::PP->new->decode($json);
}

my $first = samples();
is($first->{'edxsso_sign_ins_total{provider=lms,result=ok}'}, 0, 'before anything happened: zeros');
is($first->{'edxsso_store_up{}'}, 1, 'the store is up');
my ($build) = grep { /^edxsso_build_info\{version=\d+\.\d+\.\d+\}$/ } keys %$first;
ok($build, 'the version') or diag(join "\n", sort keys %$first);

my $trace = '4bf92f3577b34da6a3ce929d0e0e4736';
my $browser = EdxSSO::Browser->new(base => $httpd->url);
my $callback = to_callback($browser, '/app/index.txt');
my $answer = $browser->get($callback->location, headers => [[traceparent => "00-$trace-00f067aa0ba902b7-01"]]);
is($answer->status, 302, 'signed in');
sub trace_there { my ($pair) = grep { lc $_->[0] eq 'traceparent' } @{ lms_last()->{headers} }; return $pair && $pair->[1] }
like(trace_there(), qr/^00-$trace-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$/, 'the call to the provider belongs to the trace');
is($browser->get('/app/index.txt')->status, 200, 'let in');
is($browser->get($callback->location)->status, 400, 'the callback again');
is(EdxSSO::Browser->new(base => $httpd->url)->get('/app/index.txt')->status, 302, 'somebody else');
is($plain->get('/app/index.txt')->status, 401, 'a script');
like($plain->get('/proxied/x', headers => [[traceparent => "00-$trace-00f067aa0ba902b7-01"]])->body,
    qr/^traceparent: 00-$trace-00f067aa0ba902b7-01$/mi, 'an app behind mod_proxy sees the trace');

{
    my $other = EdxSSO::Browser->new(base => $httpd->url);
    my $to = to_callback($other, '/app/index.txt');
    $other->get($to->location, headers => [[traceparent => "00-$trace-0000000000000000-01"]]);
    is(trace_there(), undef, 'what is no traceparent goes nowhere');
}

my %want = (
    'edxsso_sign_ins_started_total{provider=lms}' => 3,
    'edxsso_sign_ins_total{provider=lms,result=ok}' => 2,
    'edxsso_sign_ins_total{provider=lms,result=invalid}' => 1,
    'edxsso_messages_total{number=SSO0559}' => 1,
    'edxsso_requests_total{result=signed_in}' => 1,
    'edxsso_requests_total{result=sign_in}' => 3,
    'edxsso_requests_total{result=refused}' => 1,
    'edxsso_provider_call_seconds_count{endpoint=token,provider=lms}' => 2,
    'edxsso_provider_call_failures_total{endpoint=token,provider=lms}' => 0,
);
sub check {
    my ($found, $when) = @_;
    is($found->{$_}, $want{$_}, "$when: $_") for sort keys %want;
    return;
}
check(samples(), 'Prometheus');
check(samples('application/openmetrics-text; version=1.0.0'), 'OpenMetrics');
cmp_ok(samples()->{'edxsso_store_entries{}'}, '>=', 3, 'sessions and used states are in the store');

# ---- what the documentation and the dashboard name is there, and the other way round

{
    my %there = map { /^(\w+)/ => 1 } keys %{ samples() };
    my %named;
    for my $file ('docs/grafana.json', 'docs/directives.md') {
        open my $in, '<:encoding(UTF-8)', $file or die "$file: $!\n";
        my $text = do { local $/; <$in> };
        JSON::PP->new->utf8(0)->decode($text) if $file =~ /json$/;
        $text =~ s/`_(\w+_total)`/`edxsso_store_$1`/g;
        $named{$file} = { map { $_ => 1 } $text =~ /\b(edxsso_[a-z_]+_(?:total|seconds|bytes|sum|count|bucket|info|up|stale|entries))\b/g };
        my @gone = grep { !$there{$_} && !$there{"${_}_count"} && !/^edxsso_document_/ } sort keys %{ $named{$file} };
        is("@gone", '', "$file names no metric that is not there");
        my @silent = grep { (my $family = $_) =~ s/_(bucket|sum|count)$//; !$named{$file}{$_} && !$named{$file}{$family} }
            sort keys %there;
        is("@silent", '', "$file names all there are");
    }
}

# ---- calls have an endpoint of their own, not `other`

{
    open my $in, '<', 'src/sso_metrics.c' or die "$!\n";
    my ($table) = do { local $/; <$in> } =~ /calls\[\] = \{(.*?)^\};/ms;
    my @known = $table =~ /\{ "([^"]+)", \d+ \}/g;
    my @calls = map { my $file = $_; open my $c, '<', $file or die "$!\n"; my $text = do { local $/; <$c> };
        my ($macro) = $text =~ /^#define WHAT +"([^"]+)"/m;
        map { $_ eq 'WHAT' ? $macro : s/"//gr } $text =~ /sso_call_t \w+ = \{ \.what = ("[^"]+"|WHAT)/g } glob 'src/sso_*.c';
    cmp_ok(scalar @calls, '>', 6, 'calls to providers');
    is(join(', ', grep { my $call = $_; !grep { index($call, $_) == 0 } @known } @calls), '', 'each is told apart');
}

# ---- mod_status

my $status = $plain->get('/server-status')->body;
like($status, qr{<h2>mod_auth_edxsso</h2>}, 'mod_status has a part of ours');
like($status, qr{edxsso_sign_ins_total\{provider=&quot;lms&quot;,result=&quot;ok&quot;\}</td><td align="right">2</td>}, 'with the counters');
unlike($status, qr/_bucket/, 'without what is for charts');
like($plain->get('/server-status?auto')->body, qr/^edxsso_sign_ins_total\{provider="lms",result="ok"\}: 2$/m, '?auto: for programs');

# ---- who may look, and where

is($plain->get('/denied/metrics')->status, 403, 'a place that is closed is closed');
is($plain->get('/edxsso/metrics')->status, 401, 'under EdxSSOPath it needs what its place asks for');
like($browser->get('/edxsso/metrics')->body, qr/^edxsso_build_info/m, 'and is there for those who are signed in');
my $post = $plain->request(POST => '/metrics', body => 'x');
is($post->status, 405, 'no POST');
my $head = $plain->request(HEAD => '/metrics');
is($head->status, 200, 'HEAD');
is($head->body, '', 'without a body');
is($plain->get('/metrics')->header('Cache-Control'), 'no-store', 'no caching');

# ---- restarts

$want{'edxsso_requests_total{result=signed_in}'}++;  # /edxsso/metrics above
$want{'edxsso_requests_total{result=refused}'}++;
my @before = $httpd->children;
ok($httpd->graceful, 'graceful restart');
check(samples(), 'after a graceful restart');
ok($httpd->restart, 'restart');
check(samples(), 'after a restart');
my $again = samples();
$httpd->kill(KILL => $_) for $httpd->children;
# the parent starts others; what they have counted so far is kept
ok($httpd->wait_until(sub { ($plain->get("/open/index.txt")->status // 0) == 200 }), "after all children were killed");
check(samples(), "after all children were killed");
$httpd->stop;
done_testing();
