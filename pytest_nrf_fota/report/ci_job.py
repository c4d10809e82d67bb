"""Which CI job this is, for links and for Allure's `executor.json`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class CiJob:
    """One job: what it is called, where it is shown, and its number."""

    system: str
    name: str
    url: str
    number: str = ""


def ci_job(environment: Mapping[str, str] = os.environ) -> CiJob | None:
    """The job, where GitHub Actions, GitLab or Jenkins runs this; else None.

    Names of variables are from their documentation: GitHub's «Default environment variables»,
    GitLab's «Predefined CI/CD variables», Jenkins' «Using environment variables».
    """
    told = environment.get
    if told("GITHUB_ACTIONS") == "true" and told("GITHUB_RUN_ID"):
        url = (
            f"{told('GITHUB_SERVER_URL', 'https://github.com')}/{told('GITHUB_REPOSITORY', '')}"
            f"/actions/runs/{told('GITHUB_RUN_ID')}"
        )
        number = told("GITHUB_RUN_NUMBER", "")
        return CiJob("github", f"{told('GITHUB_WORKFLOW', 'workflow')} #{number}", url, number)
    if told("GITLAB_CI") and told("CI_JOB_URL"):
        number = told("CI_PIPELINE_IID", "")
        name = f"{told('CI_JOB_NAME', 'job')} #{number}"
        return CiJob("gitlab", name, told("CI_JOB_URL", ""), number)
    if told("JENKINS_URL") and told("BUILD_URL"):
        number = told("BUILD_NUMBER", "")
        name = f"{told('JOB_NAME', 'job')} #{number}"
        return CiJob("jenkins", name, told("BUILD_URL", ""), number)
    return None
