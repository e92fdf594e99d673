# SPDX-License-Identifier: Apache-2.0
package EdxSSO::Log;
# The error log is part of what a test expects: a number SSOnnnn that the test did not announce, a
# child that crashed or was replaced, make it fail.
#
#   expect_log('SSO0042', 'why', times => 1);   # exactly so many lines more than announced so far
#   allow_log('SSO0042');                       # may come, any number of times
#   my @lines = log_lines(qr/.../);             # since the test began
#   log_clean();                                # the check at the end; EdxSSO::Test calls it
use strict;
use warnings;
use Exporter 'import';
use Test::More ();
our @EXPORT = qw(expect_log allow_log log_lines log_clean);

my $PATIENCE = 30; # seconds until a line must be there

my ($file, $start, %announced, %allowed, @children);

# Look at another log (of a private httpd) from its present end on; without one, at none.
sub watch {
    my (undef, $log, $pid_file) = @_;
    ($file, $start) = ($log, defined $log && -s $log || 0);
    %announced = %allowed = ();
    @children = _children($pid_file);
    return;
}

sub log_lines {
    my ($pattern) = @_;
    return unless defined $file;
    open my $in, '<', $file or return;
    seek $in, $start, 0;
    return grep { !defined $pattern || /$pattern/ } <$in>;
}

sub expect_log {
    my ($number, $name, %option) = @_;
    $announced{$number} += $option{times} // 1;
    my $found;
    for (1 .. $PATIENCE * 20) {
        $found = () = log_lines(qr/\b$number:/);
        last if $found >= $announced{$number};
        select undef, undef, undef, 0.05;
    }
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::is($found, $announced{$number}, ($name ? "$name: " : '') . "the log has $number");
}

sub allow_log { $allowed{$_} = 1 for @_; return }

sub log_clean {
    my @lines = log_lines();
    my (%seen, @surprises);
    for my $line (@lines) {
        push @surprises, $line if $line =~ /exit signal|AddressSanitizer|runtime error:/;
        # background work may write these during any test
        next if $line =~ /\[auth_edxsso:debug\]/ || ($line =~ /SSO035[34]:/ && $line !~ /\[client /);
        for my $number ($line =~ /\b(SSO\d{4}):/) {
            next if $allowed{$number};
            push @surprises, $line if ++$seen{$number} > ($announced{$number} // 0);
        }
    }
    my @now = _children();
    push @surprises, "httpd's children were @children, are @now\n" if "@now" ne "@children";
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::ok(!@surprises, 'nothing in the error log that was not announced')
        || Test::More::diag(@surprises[0 .. ($#surprises > 20 ? 20 : $#surprises)]);
}

# The processes whose parent is httpd's.
my $parent_file;
sub _children {
    $parent_file = $_[0] if @_;
    return unless defined $parent_file && open my $in, '<', $parent_file;
    my $parent = <$in> // return;
    chomp $parent;
    my @found;
    for my $stat (glob '/proc/[0-9]*/stat') {
        open my $of, '<', $stat or next;
        my $text = <$of> // next;
        push @found, $1 if $text =~ /^(\d+) \(.*\) \S (\d+) /s && $2 == $parent;
    }
    @found = sort { $a <=> $b } @found;
    return @found;
}

EdxSSO::Log->watch($ENV{HTTPD_ERROR_LOG}, $ENV{HTTPD_PID_FILE}) if $ENV{HTTPD_ERROR_LOG};

1;
