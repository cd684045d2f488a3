/**
 * The network between clients and server:
 *
 * ```text
 * browser 192.168.1.2 ─┐                                             ┌─ 203.0.113.10, .11 server
 *                      ├─ home ─ 198.51.100.2 ─ core ─ 203.0.113.1 ──┤        or cloud ─ 10.0.0.10 server
 * native  192.168.2.2 ─┘                          └─── 198.18.0.1 ─── 198.18.0.2 services
 * ```
 *
 * With IPv6 instead: the same with `2001:db8:<net>::<host>`. What a network is bad at stands in `home`: its firewall, its
 * NAT, its link to the core.
 */

import { Lab, type Namespace, type Plug } from './lab.ts';
import { Link } from './link.ts';

export interface Plan {
  family?: 4 | 6;
  /** What `home` does to addresses: nothing, keep one port per client port, or a new one for each destination. */
  nat?: 'none' | 'cone' | 'symmetric';
  /** The server has a private address behind a one-to-one NAT. */
  cloud?: boolean;
  /** Of the way between `home` and `core`. */
  mtu?: number;
  /** Lays a link that loses, delays and reorders between `home` and `core`. */
  link?: boolean;
  /** Gives the server a second public address, `SERVER_TOO`. */
  second?: boolean;
  /** Gives the server a second interface, `storage0`, at 10.9.0.10, that nobody can reach. */
  storage?: boolean;
}

const NETS = {
  4: {
    browser: ['192.168.1.1/24', '192.168.1.2/24'],
    native: ['192.168.2.1/24', '192.168.2.2/24'],
    uplink: ['198.51.100.1/24', '198.51.100.2/24'],
    public: ['203.0.113.1/24', '203.0.113.10/24'],
    private: ['10.0.0.1/24', '10.0.0.10/24'],
    services: ['198.18.0.1/24', '198.18.0.2/24'],
  },
  6: {
    browser: ['2001:db8:1::1/64', '2001:db8:1::2/64'],
    native: ['2001:db8:2::1/64', '2001:db8:2::2/64'],
    uplink: ['2001:db8:100::1/64', '2001:db8:100::2/64'],
    public: ['2001:db8:203::1/64', '2001:db8:203::10/64'],
    private: ['fd00::1/64', 'fd00::10/64'],
    services: ['2001:db8:18::1/64', '2001:db8:18::2/64'],
  },
} as const;

/** The server's addresses as clients know them, and where other servers stand. */
export const SERVER = '203.0.113.10';
export const SERVER_TOO = '203.0.113.11';
export const SERVER_V6 = '2001:db8:203::10';
export const SERVICES = '198.18.0.2';
export const HOME = '198.51.100.2';
const BEHIND_NAT = '10.0.0.10';

export class Internet {
  readonly lab = new Lab();
  readonly browser: Namespace;
  readonly native: Namespace;
  readonly home: Namespace;
  readonly core: Namespace;
  readonly server: Namespace;
  readonly services: Namespace;
  /** The link between `home` and `core`, where the plan has one. */
  link: Link | undefined;
  readonly #plan: Required<Plan>;

  private constructor(plan: Plan) {
    this.#plan = {
      family: 4,
      nat: 'none',
      cloud: false,
      mtu: 1500,
      link: false,
      second: false,
      storage: false,
      ...plan,
    };
    const make = (name: string) => this.lab.namespace(name);
    this.core = make('core');
    this.home = make('home');
    this.browser = make('browser');
    this.native = make('native');
    this.server = make('server');
    this.services = make('services');
  }

  static async create(plan: Plan = {}): Promise<Internet> {
    const internet = new Internet(plan);
    try {
      await internet.#build();
    } catch (error) {
      await internet.close();
      throw error;
    }
    return internet;
  }

  async close(): Promise<void> {
    await this.link?.close();
    await this.lab.close();
  }

  async #build(): Promise<void> {
    for (const router of [this.core, this.home]) router.forwards();
    this.#attach(this.home, this.browser, 'browser');
    this.#attach(this.home, this.native, 'native');
    this.#attach(this.core, this.services, 'services');
    await this.#uplink();
    if (this.#plan.cloud) this.#cloud();
    else this.#attach(this.core, this.server, 'public');
    if (this.#plan.second) this.server.ip(`address add ${SERVER_TOO}/24 dev eth0`);
    if (this.#plan.storage) this.#storage();
    const { nat } = this.#plan;
    if (nat === 'none') return;
    this.home.iptables(`-t nat -A POSTROUTING -o uplink -j MASQUERADE${nat === 'symmetric' ? ' --random-fully' : ''}`);
  }

  /** A cable from a router to an end, which sends everything there. */
  #attach(router: Namespace, end: Namespace, net: 'browser' | 'native' | 'services' | 'public' | 'private'): void {
    const [gateway, host] = NETS[this.#plan.family][net];
    this.lab.cable(plug(router, net, gateway), plug(end, 'eth0', host));
    end.ip(`route add default via ${address(gateway)} dev eth0`);
  }

  async #uplink(): Promise<void> {
    const nets = NETS[this.#plan.family];
    const [gateway, host] = nets.uplink;
    const [far, near] = [plug(this.core, 'homes', gateway), plug(this.home, 'uplink', host)];
    if (this.#plan.link) this.link = await Link.lay(near, far, this.#plan.mtu);
    else this.lab.cable(far, near, this.#plan.mtu);
    this.home.ip(`route add default via ${address(gateway)} dev uplink`);
    if (this.#plan.nat !== 'none') return;
    for (const net of [nets.browser, nets.native]) {
      this.core.ip(`route add ${network(net[0])} via ${address(host)} dev homes`);
    }
  }

  /** The provider's router: the public address is its own, and stands for the private one in both directions. */
  #cloud(): void {
    const cloud = this.lab.namespace('cloud');
    cloud.forwards();
    const [gateway, host] = NETS[4].public;
    this.lab.cable(plug(this.core, 'public', gateway), plug(cloud, 'eth0', host));
    cloud.ip(`route add default via ${address(gateway)} dev eth0`);
    this.#attach(cloud, this.server, 'private');
    cloud.iptables(`-t nat -A PREROUTING -d ${SERVER} -j DNAT --to-destination ${BEHIND_NAT}`);
    cloud.iptables(`-t nat -A POSTROUTING -s ${BEHIND_NAT} -o eth0 -j SNAT --to-source ${SERVER}`);
    // A hairpin: the server reaches its own public address, as with most providers.
    cloud.iptables(`-t nat -A POSTROUTING -s ${BEHIND_NAT} -d ${BEHIND_NAT} -j SNAT --to-source ${SERVER}`);
  }

  #storage(): void {
    const storage = this.lab.namespace('storage');
    this.lab.cable(plug(storage, 'eth0', '10.9.0.1/24'), plug(this.server, 'storage0', '10.9.0.10/24'));
  }

  /** Drops what matches this rule of iptables on its way through `home`, until called off by the function returned. */
  block(rule: string): () => void {
    const six = this.#plan.family === 6 ? '-6 ' : '';
    const rules = ['-o uplink', '-i uplink'].map((way) => `FORWARD ${way} ${rule} -j DROP`);
    for (const one of rules) this.home.iptables(`${six}-I ${one}`);
    return () => {
      for (const one of rules) this.home.iptables(`${six}-D ${one}`);
    };
  }

  /** Lets one of the clients send to nothing but these ports. */
  allowOnly(client: 'browser' | 'native', ports: { tcp?: number[]; udp?: number[] }): void {
    for (const [protocol, list] of Object.entries(ports)) {
      const match = `-p ${protocol} -m multiport`;
      this.home.iptables(`-A FORWARD -i ${client} ${match} --dports ${list.join(',')} -j ACCEPT`);
      this.home.iptables(`-A FORWARD -o ${client} ${match} --sports ${list.join(',')} -j ACCEPT`);
    }
    for (const way of ['-i', '-o']) this.home.iptables(`-A FORWARD ${way} ${client} -j DROP`);
  }
}

function plug(namespace: Namespace, name: string, address: string): Plug {
  return { namespace, name, addresses: [address] };
}

function address(withLength: string): string {
  return withLength.split('/')[0] ?? withLength;
}

/** The network that a router's address is in. */
function network(gateway: string): string {
  return gateway.replace(/1\/(24|64)$/, (_, length) => (length === '24' ? '0/24' : '/64'));
}
