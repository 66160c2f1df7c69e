# The same environment, looked at and not changed.
@{
    Name            = 'verify'
    Description     = 'Run the checks over an environment that is there'
    Version         = '1.0.0'
    Sequence        = @(
        @{ Script = '0400_Run-Tests.sh'; Description = 'The tests'; Timeout = 120 }
        @{ Script = '0410'; ContinueOnError = $true }
    )
    Options         = @{ Parallel = $false }
    SuccessCriteria = @{ MinimumSuccessCount = 1; CriticalScripts = @('0400') }
}
