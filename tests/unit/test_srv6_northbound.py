"""The REST API over a core in memory: policies come and go, wrong requests are explained, the document fits."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from controllers.northbound import openapi
from controllers.northbound.bodies import PolicyBody
from controllers.northbound.endpoints import ENDPOINTS, Strict
from controllers.northbound.server import Operations
from controllers.northbound.store import PolicyStore, StoreError
from controllers.srv6.network import Convergence, Measurement
from controllers.srv6.paths import Constraints, FlexAlgo, Metric
from controllers.srv6.policy import PolicyId
from tests.support.srv6_api import Api, InMemory
from tests.support.srv6_rig import BLOCK

ON_THE_IGP = {"headend": "r1", "color": 5, "endpoint": "r3", "dynamic": {"metric": "igp"}}
BY_DELAY = {**ON_THE_IGP, "dynamic": {"metric": "delay"}}
IMPOSSIBLE = {**ON_THE_IGP, "dynamic": {"metric": "igp", "exclude": ["gold"], "bound": "1ms"}}
POLICY = "/policies/r1/5/r3"


@pytest.fixture
def api() -> Api:
    return Api()


def test_the_topology_has_routers_with_their_sids_and_links_in_both_directions(api: Api) -> None:
    status, answer = api("GET", "/topology")
    assert status == 200
    assert [router["name"] for router in answer["routers"]] == ["r1", "r2", "r3", "r4"]
    r1 = answer["routers"][0]
    assert (r1["locator"], r1["loopback"], r1["state"]) == ("fcbb:bb00:1::/48", "fd00::1", "up")
    end_x = next(sid for sid in r1["sids"] if sid["behavior"] == "End.X" and sid["context"] == "r4")
    assert (end_x["sid"], end_x["flavors"]) == ("fcbb:bb00:1:e001::", ["NEXT-CSID"])
    links = {(link["source"], link["target"]): link for link in answer["links"]}
    assert len(links) == 8
    assert links["r4", "r3"]["affinities"] == ["gold"]


def test_a_policy_is_added_shown_and_removed(api: Api) -> None:
    status, added = api("POST", "/policies", BY_DELAY)
    assert (status, added["state"], api.underlay.programs) == (201, "up", 1)
    (list_,) = added["active"]["lists"]
    assert (list_["segments"], list_["sids"]) == (["r4>r3"], ["fcbb:bb00:4:e001::"])
    assert api("GET", POLICY) == (200, added)
    assert api("GET", "/policies") == (200, {"policies": [added]})
    assert api("DELETE", POLICY) == (204, None)
    status, answer = api("GET", POLICY)
    assert (status, answer["detail"]) == (404, "there is no policy r1→r3 color 5; there is none")
    assert api("DELETE", POLICY)[0] == 404


def test_weighted_lists_and_candidate_paths_by_preference(api: Api) -> None:
    lists = [{"segments": ["r2", "r3"], "weight": 3}, {"segments": ["r1>r4", "r3"]}]
    worse = {"preference": 50, "dynamic": {"metric": "igp", "include_all": ["gold"], "bandwidth": "1Gbit"}}
    better = {"preference": 200, "explicit": [{"segments": ["r2"]}]}
    body = {**ON_THE_IGP, "candidate_paths": [{"explicit": lists}, worse, better], "priority": 7}
    del body["dynamic"]
    status, answer = api("POST", "/policies", body)
    assert (status, answer["state"], answer["priority"]) == (201, "up", 7)
    assert [list_["share"] for list_ in answer["active"]["lists"]] == [0.75, 0.25]
    assert (answer["active"]["origin"], answer["standby"]["preference"]) == ("explicit", 50)
    assert answer["invalid"] == [
        {"preference": 200, "discriminator": 0, "reason": "the segment list ends at r2, not at r3"}
    ]


def test_a_policy_without_a_valid_path_is_kept_and_says_what_nothing_meets(api: Api) -> None:
    status, answer = api("POST", "/policies", IMPOSSIBLE)
    assert (status, answer["state"], answer["active"]) == (201, "down", None)
    reason = "nothing meets together: affinities without gold and a delay of at most 1 ms (the least is 2 ms)"
    assert answer["invalid"][0]["reason"] == reason


@pytest.mark.parametrize("before", [None, BY_DELAY])
def test_strict_refuses_it_and_nothing_has_changed(api: Api, before: Any) -> None:
    if before:
        api("POST", "/policies", before)
    was, states = api("GET", "/policies"), api.underlay.core.states
    status, answer = api("POST", "/policies?strict=true", IMPOSSIBLE)
    assert status == 409
    assert answer["problems"] == [
        "nothing meets together: affinities without gold and a delay of at most 1 ms (the least is 2 ms)"
    ]
    assert api("GET", "/policies") == was
    assert api.underlay.core.states == states
    assert [body.id for body in api.store.policies] == ([PolicyId("r1", 5, "r3")] if before else [])
    assert api("POST", "/policies?strict=true", BY_DELAY)[0] == 201


def test_a_policy_that_is_changed_while_routers_converge_is_pending() -> None:
    api = Api(convergence=Convergence(flooding_ms=100))
    api("POST", "/policies", ON_THE_IGP)
    api("POST", "/policies", {**ON_THE_IGP, "color": 6})
    api.underlay.core.link_changed("r1", "r2", False, 0.0)
    assert api("POST", "/policies", BY_DELAY)[1]["state"] == "pending"
    api("DELETE", "/policies/r1/6/r3")
    (shown,) = api("GET", "/policies")[1]["policies"]
    assert (shown["color"], shown["state"]) == (5, "pending")
    api.underlay.core.expire(1.0)
    (shown,) = api("GET", "/policies")[1]["policies"]
    assert (shown["color"], shown["state"]) == (5, "up")


def test_the_file_ends_with_what_was_asked_for_last(tmp_path: Path) -> None:
    """The first answer comes after the second: programs of the newer are installed first."""
    api = Api(tmp_path / "policies.json")
    first, second = PolicyBody.model_validate(ON_THE_IGP), PolicyBody.model_validate(BY_DELAY)

    async def both() -> None:
        operations = Operations(Slowing(api.underlay), api.store)  # type: ignore[arg-type]
        await asyncio.gather(*(operations.add_policy(None, Strict(), body) for body in (first, second)))

    asyncio.run(both())
    (kept,) = PolicyStore(tmp_path / "policies.json").policies
    assert kept.candidate_paths == second.candidate_paths


class Slowing:
    """The first question is answered last."""

    def __init__(self, underlay: InMemory) -> None:
        self._underlay, self._asked = underlay, 0

    def ask(self, *question: Any, **more: Any) -> Future[Any]:
        self._asked += 1
        done = self._underlay.ask(*question, **more)
        if self._asked > 1:
            return done
        late: Future[Any] = Future()
        threading.Timer(0.1, lambda: late.set_result(done.result())).start()
        return late


def test_names_that_the_network_does_not_have_are_refused_all_at_once(api: Api) -> None:
    wrong = {"exclude": ["goldd"], "include_any": ["leased"], "exclude_srlgs": ["duct"]}
    lists = [{"segments": ["r2>r5", "r1>r3", "r3"]}]
    candidates = [{"dynamic": wrong}, {"preference": 7, "explicit": lists}]
    body = {"headend": "r1", "color": 5, "endpoint": "r33", "candidate_paths": candidates}
    status, answer = api("POST", "/policies", body)
    assert (status, api.store.policies, api("GET", "/policies")[1]["policies"]) == (400, (), [])
    routers, affinities = "want a router: r1, r2, r3, r4", "want an affinity of a link: gold"
    assert answer["problems"] == [
        f'endpoint: got "r33"; {routers} (did you mean "r3"?)',
        f'candidate_paths[0].dynamic.exclude: got "goldd"; {affinities} (did you mean "gold"?)',
        f'candidate_paths[0].dynamic.include_any: got "leased"; {affinities}',
        'candidate_paths[0].dynamic.exclude_srlgs: got "duct"; want an SRLG of a link: there is none',
        f'candidate_paths[1].explicit[0].segments[0]: got "r5"; {routers}',
        'candidate_paths[1].explicit[0].segments[1]: got "r1>r3"; want a link of r1: r1>r2, r1>r4',
    ]


def test_unknown_names_and_all_else_that_is_wrong_are_said_in_one_go(api: Api) -> None:
    lists = [{"segments": ["r9", "r1>r3", "r1>r2>r3", 7]}, "r3"]
    dynamic = {"metrik": "delay", "exclude": ["silver"], "bound": "soon"}
    candidates = [{"dynamic": dynamic}, {"explicit": lists}]
    status, answer = api(
        "POST", "/policies", {"headend": "x", "color": 0, "endpoint": 3, "candidate_paths": candidates}
    )
    assert status == 400
    found = dict(problem.split(": ", 1) for problem in answer["problems"])
    assert len(found) == len(answer["problems"])
    assert found["candidate_paths[0].dynamic.metrik"] == (
        "got an unknown key; want one of bandwidth, bound, disjoint_from, exclude, exclude_srlgs, include_all, "
        'include_any, metric (did you mean "metric"?)'
    )
    assert found["headend"] == 'got "x"; want a router: r1, r2, r3, r4'
    assert found["candidate_paths[0].dynamic.exclude"].startswith('got "silver"; want an affinity of a link: gold')
    assert found["candidate_paths[1].explicit[0].segments[0]"].startswith('got "r9"; want a router')
    assert found["candidate_paths[1].explicit[0].segments[1]"].startswith('got "r1>r3"; want a link of r1')
    assert {*found} > {"color", "endpoint", "candidate_paths[0].dynamic.bound"}
    assert {*found} > {f"candidate_paths[1].explicit[0].segments[{index}]" for index in (2, 3)}
    assert {*found} > {"candidate_paths[1].explicit[1]"}


def test_a_binding_sid_is_given_kept_or_refused(api: Api) -> None:
    status, answer = api("POST", "/policies", {**BY_DELAY, "binding_sid": "fcbb:bb00:1:f8aa::"})
    assert (status, answer["binding_sid"]) == (201, "fcbb:bb00:1:f8aa::")
    assert api("POST", "/policies", BY_DELAY)[1]["binding_sid"] == "fcbb:bb00:1:f8aa::"
    status, answer = api("POST", "/policies", {**BY_DELAY, "color": 6, "binding_sid": "fcbb:bb00:1:f8aa::"})
    assert (status, "collides" in answer["detail"]) == (409, True)
    status, answer = api("POST", "/policies", {**BY_DELAY, "color": 6, "binding_sid": "fcbb:bb00:2:f800::"})
    assert (status, "want an End.B6.Encaps of r1" in answer["detail"]) == (400, True)
    status, answer = api("POST", "/policies", {**BY_DELAY, "color": 6, "binding_sid": "2001:db8::1"})
    assert (status, "want one of fcbb:bb00::/32" in answer["detail"]) == (409, True)


def test_everything_that_is_wrong_with_a_body_is_said_at_once(api: Api) -> None:
    body = {
        "headend": "",
        "color": 0,
        "dynamic": {"metric": "beauty", "bound": "soon", "bandwidth": 5},
        "candidate_paths": [{"explicit": [{"segments": ["a>b>c"], "weight": 0}]}],
        "colour": 1,
    }
    status, answer = api("POST", "/policies", body)
    assert (status, answer["title"]) == (400, "Bad Request")
    found = dict(problem.split(": ", 1) for problem in answer["problems"])
    assert found == {
        "headend": 'got ""; want text, 1 or more characters',
        "color": "got 0; want a value greater than or equal to 1",
        "endpoint": "got nothing; want this key, which has to be there",
        "dynamic.metric": "got \"beauty\"; want 'igp', 'te', 'delay' or 'hops'",
        "dynamic.bound": 'got "soon"; want a duration such as "9.9ms"',
        "dynamic.bandwidth": 'got 5; want a rate such as "10Gbit"',
        "candidate_paths[0].explicit[0].segments[0]": (
            'got "a>b>c"; want a node such as "p1", or an adjacency such as "p1>p2"'
        ),
        "candidate_paths[0].explicit[0].weight": "got 0; want a value greater than or equal to 1",
        "colour": (
            "got an unknown key; want one of binding_sid, candidate_paths, color, dynamic, endpoint, explicit, "
            'headend, priority (did you mean "color"?)'
        ),
    }


@pytest.mark.parametrize("body", ["", "}", "[]", "null", '"policy"', "1e999", "\x00", b"\xff\xfe"])
def test_nonsense_is_no_policy(api: Api, body: str | bytes) -> None:
    status, answer = api("POST", "/policies", body)
    assert (status, answer["status"]) == (400, 400)
    assert answer["problems"]


@pytest.mark.parametrize(
    ("body", "want"),
    [
        ({key: value for key, value in ON_THE_IGP.items() if key != "dynamic"}, "want one of explicit, dynamic and"),
        ({**ON_THE_IGP, "explicit": [{"segments": ["r3"]}]}, "want one of explicit, dynamic and candidate_paths"),
        ({**ON_THE_IGP, "endpoint": "r1"}, "headend and endpoint are one node"),
        (
            {**ON_THE_IGP, "dynamic": {"disjoint_from": {"headend": "r1", "color": 9, "endpoint": "r3"}}},
            "there is no policy r1→r3 color 9 to be disjoint from",
        ),
    ],
)
def test_policies_that_cannot_be_are_refused(api: Api, body: Any, want: str) -> None:
    status, answer = api("POST", "/policies", body)
    assert status == 400
    assert want in answer["detail"]
    assert api("GET", "/policies") == (200, {"policies": []})


def test_what_is_not_there_is_answered_with_what_there_is(api: Api) -> None:
    status, answer = api("GET", "/polices")
    assert status == 404
    assert "there is no /v1/polices; there is GET /v1/topology" in answer["detail"]
    assert "problems" not in answer
    status, answer = api("PUT", "/policies")
    assert (status, answer["detail"]) == (405, "PUT /v1/policies: want GET or POST")
    assert api.headers["Allow"] == "GET,POST"
    assert api("GET", "/policies/r1/green/r3")[0] == 400
    assert api("GET", "/path?headend=r1")[1]["problems"] == [
        "endpoint: got nothing; want this key, which has to be there"
    ]
    status, answer = api("GET", "/path?headend=x&endpoint=r33")
    assert (status, answer["problems"]) == (
        404,
        [
            'headend: got "x"; want a router: r1, r2, r3, r4',
            'endpoint: got "r33"; want a router: r1, r2, r3, r4 (did you mean "r3"?)',
        ],
    )


def test_what_nobody_has_foreseen_is_a_problem_too(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    del api.underlay.core
    status, answer = api("GET", "/topology")
    assert (status, answer["title"]) == (500, "Internal Server Error")
    assert answer["detail"].startswith("GET /v1/topology: AttributeError: ")
    assert caplog.records[0].exc_info


def test_the_path_of_a_policy_and_that_of_the_igp(api: Api) -> None:
    api("POST", "/policies", BY_DELAY)
    status, answer = api("GET", "/path?headend=r1&endpoint=r3&color=5")
    (way,) = answer["ways"]
    assert (status, answer["by"], way["delay_us"]) == (200, "policy", 400)
    hops = [(hop["node"], hop["ifname"], hop["behavior"]) for hop in way["hops"]]
    assert hops == [("r1", "r4", None), ("r4", "r3", "End.X"), ("r3", None, "End.DT6")]
    assert way["packet"] == {
        "source": "fd00::1",
        "destination": "fcbb:bb00:4:e001:3:f000::",
        "srh": [],
        "bytes_added": 40,
    }
    _, answer = api("GET", "/path?headend=r1&endpoint=r3")
    (way,) = answer["ways"]
    assert (answer["by"], [hop["node"] for hop in way["hops"]], way["delay_us"]) == ("igp", ["r1", "r2", "r3"], 2000)


def test_a_path_that_is_not_by_the_policy_says_why(api: Api) -> None:
    assert api("GET", "/path?headend=r1&endpoint=r3&color=8")[1]["reason"] == "there is no policy r1→r3 color 8"
    api("POST", "/policies", IMPOSSIBLE)
    _, answer = api("GET", "/path?headend=r1&endpoint=r3&color=5")
    assert answer["by"] == "igp"
    assert answer["reason"].startswith("nothing meets together")


def test_a_path_to_where_there_is_none_has_no_ways(api: Api) -> None:
    core = api.underlay.core
    for peer in ("r2", "r4"):
        core.link_changed("r3", peer, False, 0.0)
    while core.timer() is not None:
        core.expire(1.0)
    assert api("GET", "/path?headend=r1&endpoint=r3")[1]["ways"] == []


def test_a_color_of_a_flex_algo_goes_by_its_plane() -> None:
    gold = FlexAlgo(128, Metric.DELAY, Constraints(include_all=frozenset({"gold"})))
    api = Api(flex_algos=(gold,), colors={7: 128})
    _, answer = api("GET", "/path?headend=r1&endpoint=r3&color=7")
    (way,) = answer["ways"]
    assert (answer["by"], [hop["node"] for hop in way["hops"]]) == ("flex-algo", ["r1", "r4", "r3"])
    assert way["packet"]["destination"] == way["hops"][-1]["sid"] == "fcbb:bb00:1003:f000::"


def test_what_is_measured_and_what_was_found(api: Api) -> None:
    assert api("GET", "/measurement/subjects")[1]["subjects"] == []
    api = Api(measurement=Measurement(window_ms=500))
    api("POST", "/policies", BY_DELAY)
    _, answer = api("GET", "/measurement/subjects")
    assert (answer["interval_ms"], answer["window_ms"], len(answer["subjects"])) == (100, 500, 9)
    subjects = {subject["id"]: subject for subject in answer["subjects"]}
    assert subjects["link/r1/r4"] == {
        "id": "link/r1/r4",
        "headend": {"namespace": "ns-r1", "address": "fd00::1"},
        "segments": ["fcbb:bb00:1:e001::"],
        "reflector": {"namespace": "ns-r4", "address": "fd00::4"},
    }
    assert subjects["list/r1/5/r3/r4>r3"]["segments"] == ["fcbb:bb00:4:e001::"]
    late = {"id": "link/r1/r4", "sent": 5, "received": 5, "least_us": 9000.0, "mean_us": 9001.5}
    gone = {"id": "list/r1/9/r3/r3", "sent": 5, "received": 0, "least_us": None, "mean_us": None}
    assert api("POST", "/measurement/windows", {"windows": [late, gone]}) == (204, None)
    _, answer = api("GET", POLICY)
    assert answer["active"]["lists"][0]["segments"] == ["r3"]
    status, answer = api("POST", "/measurement/windows", {"windows": [{"id": 1, "sent": -1}]})
    assert (status, len(answer["problems"])) == (400, 5)


def test_tenants_have_attachments_and_routes(api: Api) -> None:
    _, answer = api("GET", "/tenants")
    (blue,) = answer["tenants"]
    assert [(at["router"], at["ifname"]) for at in blue["attachments"]] == [("r1", "h1"), ("r3", "h2")]
    routes = {route["prefix"]: (route["egress"], route["sid"]) for route in blue["routes"]}
    assert routes["10.2.0.2/32"] == ("r3", "fcbb:bb00:3:f001::")
    assert routes["fd02:1::/64"] == ("r1", "fcbb:bb00:1:f002::")


def test_policies_outlive_the_process_with_their_binding_sids(tmp_path: Path) -> None:
    file = tmp_path / "policies.json"
    api = Api(file)
    api("POST", "/policies", BY_DELAY)
    _, kept = api("POST", "/policies", {**BY_DELAY, "color": 6})
    api("DELETE", POLICY)
    again = PolicyStore(file)
    assert again.removed == (PolicyId("r1", 5, "r3"),)
    (body,) = again.policies
    assert str(body.binding_sid) == kept["binding_sid"]
    assert body.policy(BLOCK) == next(each for each in api.underlay.core.policies if each.color == 6)
    api("POST", "/policies", BY_DELAY)
    assert PolicyStore(file).removed == ()


def test_a_state_file_of_others_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "policies.json"
    file.write_text("[1]")
    with pytest.raises(StoreError, match=r"policies\.json: not the policies of a controller"):
        PolicyStore(file)


def test_a_policy_that_cannot_be_kept_is_an_error(tmp_path: Path) -> None:
    api = Api(tmp_path / "no-such-directory" / "policies.json")
    status, answer = api("POST", "/policies", BY_DELAY)
    assert (status, "policies.json: No such file or directory" in answer["detail"]) == (500, True)


def test_a_body_is_the_same_after_it_was_written_and_read() -> None:
    body = PolicyBody.model_validate(
        {**ON_THE_IGP, "dynamic": {"bound": "1.5ms", "bandwidth": "2.5Gbit", "exclude": ["gold"]}}
    )
    assert PolicyBody.model_validate_json(body.model_dump_json(exclude_defaults=True)) == body


def test_the_document_has_every_endpoint_and_answers_fit_their_schemas(api: Api) -> None:
    _, document = api("GET", "/openapi.json")
    assert document == json.loads(json.dumps(openapi.document(ENDPOINTS)))
    assert document["openapi"] == "3.1.0"
    assert {(method.upper(), path) for path, methods in document["paths"].items() for method in methods} == {
        (endpoint.method, endpoint.path) for endpoint in ENDPOINTS
    }
    api("POST", "/policies", BY_DELAY)
    api("POST", "/policies", {**IMPOSSIBLE, "color": 6})
    for target, path in (
        ("/topology", "/v1/topology"),
        ("/policies", "/v1/policies"),
        (POLICY, "/v1/policies/{headend}/{color}/{endpoint}"),
        ("/path?headend=r1&endpoint=r3&color=5", "/v1/path"),
        ("/tenants", "/v1/tenants"),
        ("/measurement/subjects", "/v1/measurement/subjects"),
    ):
        schema = _schema(document, document["paths"][path]["get"]["responses"]["200"])
        jsonschema.Draft202012Validator(schema).validate(api("GET", target)[1])
    problem = _schema(document, document["paths"]["/v1/topology"]["get"]["responses"]["default"])
    jsonschema.Draft202012Validator(problem).validate(api("GET", "/nonsense")[1])


def test_the_document_accepts_the_bodies_that_the_api_accepts() -> None:
    document = openapi.document(ENDPOINTS)
    schema = _schema(document, document["paths"]["/v1/policies"]["post"]["requestBody"])
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    lists = [{"segments": ["r2", "r1>r4"], "weight": 3}]
    for body in (ON_THE_IGP, BY_DELAY, IMPOSSIBLE, {"headend": "a", "color": 1, "endpoint": "b", "explicit": lists}):
        validator.validate(body)
        PolicyBody.model_validate(body)
    for body in ({}, {**ON_THE_IGP, "color": -1}, {**ON_THE_IGP, "dynamic": {"metric": "beauty"}}):
        assert not validator.is_valid(body)


def _schema(document: Any, described: Any) -> Any:
    (content,) = described["content"].values()
    return {**content["schema"], "components": document["components"]}
