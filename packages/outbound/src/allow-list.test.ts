import { describe, expect, it } from "vitest";

import { AllowListError, parseAllowList } from "./allow-list.ts";

const engines = (text: string) => parseAllowList(text).engines;

describe("parseAllowList", () => {
  it("opens nothing when it is empty", () => {
    for (const text of ["", "  ", ",", " , ,"]) {
      const { engines: rules, callbacks } = parseAllowList(text);
      expect(rules.coversAddress("127.0.0.1", 80)).toBe(false);
      expect(rules.namesHost("localhost", 80)).toBe(false);
      expect(callbacks.mentionsPort(80)).toBe(false);
    }
  });

  it("takes hosts with and without a port, as URL writes them", () => {
    const rules = engines("CRM.internal:8080, bücher.example\n intra.");
    expect(rules.namesHost("crm.internal", 8080)).toBe(true);
    expect(rules.namesHost("crm.internal.", 8080)).toBe(true);
    expect(rules.namesHost("crm.internal", 80)).toBe(false);
    expect(rules.namesHost("xn--bcher-kva.example", 443)).toBe(true);
    expect(rules.namesHost("intra", 1)).toBe(true);
    expect(rules.namesHost("sub.intra", 1)).toBe(false);
    expect(rules.coversAddress("127.0.0.1", 8080)).toBe(false);
  });

  it("takes addresses and networks of both families", () => {
    const rules = engines("127.0.0.1:9000 10.0.0.0/8 [fd00::/8]:443 ::1 [fd12::1]");
    expect(rules.coversAddress("127.0.0.1", 9000)).toBe(true);
    expect(rules.coversAddress("127.0.0.1", 9001)).toBe(false);
    expect(rules.coversAddress("127.0.0.2", 9000)).toBe(false);
    expect(rules.coversAddress("10.255.0.1", 1)).toBe(true);
    expect(rules.coversAddress("11.0.0.0", 1)).toBe(false);
    expect(rules.coversAddress("fd00::5", 443)).toBe(true);
    expect(rules.coversAddress("fd00::5", 80)).toBe(false);
    expect(rules.coversAddress("::1", 80)).toBe(true);
    expect(rules.coversAddress("fd12::1", 80)).toBe(true);
    expect(rules.coversAddress("::2", 80)).toBe(false);
  });

  it("keeps what callers may name apart from what engines may call", () => {
    const { engines: own, callbacks } = parseAllowList("callback:10.0.0.0/8,callback:hook:99,crm");
    expect(own.coversAddress("10.0.0.1", 80)).toBe(false);
    expect(own.namesHost("hook", 99)).toBe(false);
    expect(callbacks.coversAddress("10.0.0.1", 80)).toBe(true);
    expect(callbacks.namesHost("hook", 99)).toBe(true);
    expect(callbacks.namesHost("crm", 80)).toBe(false);
  });

  it("knows which ports were said", () => {
    const rules = engines("mail:25 10.0.0.0/8:5432 redis");
    expect(rules.mentionsPort(25)).toBe(true);
    expect(rules.mentionsPort(6379)).toBe(false);
    expect(rules.namesPort("mail", "1.2.3.4", 25)).toBe(true);
    expect(rules.namesPort("db", "10.1.1.1", 5432)).toBe(true);
    expect(rules.namesPort("db", "11.1.1.1", 5432)).toBe(false);
    expect(rules.namesPort("redis", "1.2.3.4", 6379)).toBe(false);
  });

  it.each([
    ["http://crm:80", "leave the scheme out"],
    ["crm:", "has no port"],
    ["crm:0", "has no port"],
    ["crm:65536", "has no port"],
    ["crm:http", "has no port"],
    ["crm:80:90", "is no host name"],
    ["10.0.0.1/8", "bits set beyond"],
    ["10.0.0.0/33", "prefix length"],
    ["10.0.0.0/", "prefix length"],
    ["10.0.0.0/8/9", "more than one slash"],
    ["[fd00::/129]:1", "prefix length"],
    ["fd00::1/8", "bits set beyond"],
    ["crm/8", "no IP address before"],
    ["127.1", "another spelling of 127.0.0.1"],
    ["2130706433:80", "another spelling of 127.0.0.1"],
    ["0x7f.1", "another spelling of 127.0.0.1"],
    ["[::1", "is no host name"],
    ["[crm]:80", "no IPv6 address in its brackets"],
    ["*.internal", "is no host name"],
    ["user@crm", "is no host name"],
    ["crm?", "is no host name"],
    ["fe80::1%eth0", "is no host name"],
    ["callback:", "is no host name"],
    ["callback:callback:crm", "has no port"],
    ["256.1.1.1", "is no host name"],
  ])("refuses %s and says why", (entry, why) => {
    const parse = () => parseAllowList(`10.0.0.0/8,${entry}`);
    expect(parse).toThrow(AllowListError);
    expect(parse).toThrow(new RegExp(why));
    expect(parse).toThrow(`"${entry}"`);
  });
});
