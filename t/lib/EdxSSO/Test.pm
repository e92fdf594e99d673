# SPDX-License-Identifier: Apache-2.0
package EdxSSO::Test;
# What a server test needs, in one line: use EdxSSO::Test; It brings Test::More, the log functions
# of EdxSSO::Log, browser(), vhost(), backend_count(), slow(), in_time(); done_testing() checks the log first.
use strict;
use warnings;
use Exporter 'import';
use EdxSSO::Browser;
use EdxSSO::Log;
use EdxSSO::Servers;
use Time::HiRes ();

my @more;
BEGIN { @more = qw(ok is isnt like unlike cmp_ok is_deeply pass fail diag note subtest skip explain plan) }
use Test::More import => [@more];
our @EXPORT = (@more, @EdxSSO::Log::EXPORT, qw(browser vhost backend_count slow in_time alone own_echo done_testing));

# The root URL of a virtual host of t/conf, without a slash at the end.
sub vhost {
    my ($name) = @_;
    my $root = $ENV{ 'HTTPD_' . uc $name };
    return $root if $root;
    print "1..0 # SKIP needs a running httpd: perl t/TEST $0\n";
    exit 0;
}

# A new browser with an empty jar, at home on that virtual host.
sub browser {
    my ($name, %option) = @_;
    return EdxSSO::Browser->new(base => vhost($name // 'main'), %option);
}

# How many requests have come to the app behind mod_proxy.
sub backend_count {
    my $text = EdxSSO::Browser->new(base => $ENV{ECHO_ROOT})->get('/count')->body;
    return $text + 0;
}

# Is there time for long tests? (sh t/run.sh, but not sh t/run.sh --quick)
sub slow { return $ENV{TEST_SLOW} && !$ENV{TEST_QUICK} }

# What has to be done within so many seconds. A machine that is busy with something else makes anything last, so the work
# is tried again then: what is slow by itself is slow each time. A try that found something wrong tells so by tests.
sub in_time {
    my ($limit, $name, $work) = @_;
    my $took;
    for (1 .. 5) {
        my $began = Time::HiRes::time();
        $work->();
        $took = Time::HiRes::time() - $began;
        last if $took < $limit;
        note(sprintf '%s: %.2f s', $name, $took);
    }
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return cmp_ok($took, '<', $limit, sprintf '%s (%.2f s)', $name, $took);
}

# The app behind mod_proxy is one of this test's own from here on, so that others' requests do not count.
my $servers;
sub own_echo {
    $servers = EdxSSO::Servers->new;
    return $ENV{ECHO_ROOT} = $servers->start('/usr/bin/python3', 't/lib/echo.py');
}

# This test has servers of its own alone. t/TEST, which looks for the line "alone();", runs it beside the others,
# so the shared httpd's log and children are none of its business.
sub alone { EdxSSO::Log->watch; return }

my $checked;
sub done_testing {
    $checked = 1;
    log_clean();
    return Test::More::done_testing(@_);
}

END {
    if (!$checked && $? == 0 && $ENV{HTTPD_ERROR_LOG}
        && (Test2::API::test2_stack()->top->plan // '') ne 'SKIP') {
        Test::More::diag('the test did not end with done_testing()');
        $? = 1;
    }
}

1;
